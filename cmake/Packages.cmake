# cpack: a tarball of what `cmake --install` installs (-G TGZ), and the Debian packages libnanograd0
# and libnanograd-dev (-G DEB). scripts/package.sh makes both.
set(NANOGRAD_PACKAGE_CONTACT "the nanograd authors <nanograd@nanograd.invalid>"
  CACHE STRING "Maintainer of the packages, as Name <address>")
set(_runtime libnanograd${PROJECT_VERSION_MAJOR})
# Debian's own packages of this version, should there be any, begin with -1 and replace these.
set(_debian_revision 0.1)
set(_debian_version ${PROJECT_VERSION}-${_debian_revision})

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_VENDOR "the nanograd authors")
set(CPACK_PACKAGE_CONTACT "${NANOGRAD_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
string(TOLOWER ${CMAKE_SYSTEM_NAME} _system)
set(CPACK_PACKAGE_FILE_NAME nanograd-${PROJECT_VERSION}-${_system}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_STRIP_FILES OFF) # the linker has done it

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${_debian_revision})
set(CPACK_DEBIAN_PACKAGE_SOURCE nanograd)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(_about "A program builds a graph of tensors and operators, asks for gradients,
and lets an optimizer take steps: linear models, neural networks, anything
that can be differentiated. The library is used through its C interface, from
C or from any language that can call C. It needs no runtime of its own, and
no call ends the process.

")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${_runtime})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "${_about}This package has the shared library.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_BINARY_DIR}/debian/symbols ${CMAKE_CURRENT_BINARY_DIR}/debian/shlibs
  ${CMAKE_CURRENT_BINARY_DIR}/debian/triggers)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libnanograd-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "${_about}This package has the header, \
the manual,\nand what CMake and pkg-config need.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${_runtime} (= ${_debian_version})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS pkg-config)

# From which version on each function is there, which is what a program that uses it depends on.
file(STRINGS abi/functions.txt _since)
set(_symbols "libnanograd.so.${PROJECT_VERSION_MAJOR} ${_runtime} #MINVER#\n")
foreach(_function IN LISTS NANOGRAD_FUNCTIONS)
  set(_version ${_since})
  list(FILTER _version INCLUDE REGEX "^${_function} ")
  if(NOT _version MATCHES " (.+)$")
    set(_version "${_function} ${PROJECT_VERSION}") # not on record yet, so it is new
  endif()
  string(REPLACE " " "@Base " _version "${_version}")
  string(APPEND _symbols " ${_version}\n")
endforeach()
file(CONFIGURE OUTPUT debian/symbols CONTENT "${_symbols}" @ONLY)
file(CONFIGURE OUTPUT debian/shlibs @ONLY CONTENT
  "libnanograd ${PROJECT_VERSION_MAJOR} ${_runtime} (>= ${PROJECT_VERSION})\n")
file(CONFIGURE OUTPUT debian/triggers @ONLY CONTENT "activate-noawait ldconfig\n")

# What Debian wants beside these, and what it does not want: see the scripts.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/debian/stage.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/debian/finish.cmake)
set(CPACK_NANOGRAD_SOURCE ${CMAKE_CURRENT_SOURCE_DIR})
set(CPACK_NANOGRAD_LIBDIR ${CMAKE_INSTALL_LIBDIR})
set(CPACK_NANOGRAD_DEBIAN_VERSION ${_debian_version})
include(CPack)
