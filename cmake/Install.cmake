# cmake --install: the library, the header, the manual, and what CMake and pkg-config need to find
# them. Everything is relative to where it is found, so that the folder can be moved.
include(CMakePackageConfigHelpers)

# What programs need to run is in the component `runtime`, what else it takes to build them in
# `development`: the two Debian packages.
set(_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nanograd)
install(TARGETS nanograd EXPORT nanograd LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  COMPONENT runtime NAMELINK_COMPONENT development)
install(FILES include/nanograd.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES docs/nanograd.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3 COMPONENT development)
install(FILES LICENSE README.md CHANGELOG.md docs/abi.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)
install(EXPORT nanograd NAMESPACE nanograd:: FILE nanograd-config.cmake
  DESTINATION ${_config_dir} COMPONENT development)

write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/nanograd-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nanograd-config-version.cmake
  DESTINATION ${_config_dir} COMPONENT development)

file(RELATIVE_PATH NANOGRAD_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/nanograd.pc.in nanograd.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nanograd.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
