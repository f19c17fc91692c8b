# cmake --install: the library, the header, and what CMake and pkg-config need to find them.
# Everything is relative to where it is found, so that the folder can be moved.
include(CMakePackageConfigHelpers)

set(_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/nanograd)
install(TARGETS nanograd EXPORT nanograd LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/nanograd.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(EXPORT nanograd NAMESPACE nanograd:: FILE nanograd-config.cmake
  DESTINATION ${_config_dir})

write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/nanograd-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nanograd-config-version.cmake
  DESTINATION ${_config_dir})

file(RELATIVE_PATH NANOGRAD_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/nanograd.pc.in nanograd.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/nanograd.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
