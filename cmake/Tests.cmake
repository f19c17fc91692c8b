# Every ctests/test_*.c is one program and one test; support.c is what they share. A test that wants
# MNIST reads NANOGRAD_MNIST, which CTest hands on from the environment.
enable_testing()
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

file(GLOB _tests CONFIGURE_DEPENDS ctests/test_*.c)
file(GLOB _support CONFIGURE_DEPENDS ctests/support.c ctests/checkpoint.c)
set(NANOGRAD_TEST_SUPPORT "")
if(NANOGRAD_SANITIZE)
  set(NANOGRAD_TEST_SUPPORT ctests/sanitizers.c)
endif()
foreach(_source IN LISTS _tests)
  cmake_path(GET _source STEM _name)
  nanograd_program(${_name} ctests ${_source} example_common PkgConfig::CMOCKA)
  target_sources(${_name} PRIVATE ${_support} ${NANOGRAD_TEST_SUPPORT})
  target_include_directories(${_name} PRIVATE ctests)
  add_test(NAME ${_name} COMMAND ${_name})
  set_tests_properties(${_name} PROPERTIES TIMEOUT 300)
endforeach()
find_package(Threads REQUIRED)
target_link_libraries(test_threads PRIVATE Threads::Threads)
target_link_libraries(test_nodes PRIVATE Threads::Threads)
# This one loads the library while it runs: it calls nothing of it, so the linker leaves it out.
target_link_libraries(test_load PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(test_load PRIVATE -Wl,--as-needed)

include(cmake/Fuzz.cmake)

# Memory is refused at other places where no plan is made.
add_test(NAME test_failures_plain COMMAND test_failures)
set_tests_properties(test_failures_plain PROPERTIES
  TIMEOUT 300 ENVIRONMENT NANOGRAD_ENGINE=plain)

add_test(NAME header COMMAND scripts/check-header.sh
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
add_test(NAME abi COMMAND scripts/check-abi.sh
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(header abi PROPERTIES TIMEOUT 120)

# What is promised of the library, such as its size, is promised of a release.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_test(NAME library COMMAND scripts/check-library.sh $<TARGET_FILE:nanograd>
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(library PROPERTIES TIMEOUT 120)
endif()
if(NANOGRAD_INSTALL AND CMAKE_BUILD_TYPE STREQUAL "Release")
  add_test(NAME install COMMAND scripts/check-install.sh ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(install PROPERTIES TIMEOUT 300 RESOURCE_LOCK install_manifest)
endif()

# Doxygen is not needed for anything else, so this is run where it is.
find_program(NANOGRAD_DOXYGEN doxygen DOC "Doxygen, for the test of the manual")
if(NANOGRAD_DOXYGEN AND TARGET docs)
  add_test(NAME manual COMMAND ${CMAKE_COMMAND} --build ${CMAKE_CURRENT_BINARY_DIR} --target docs)
  set_tests_properties(manual PROPERTIES TIMEOUT 120)
endif()

# Skipped where the Python package cannot be installed.
add_test(NAME safetensors_python
  COMMAND scripts/check-safetensors.sh ${CMAKE_CURRENT_BINARY_DIR}
  WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(safetensors_python PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)

if(NANOGRAD_BUILD_EXAMPLES)
  add_test(NAME resume COMMAND scripts/check-resume.sh --kills 5 ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME bits COMMAND scripts/check-bits.sh ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME watch COMMAND scripts/check-pictures.sh ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(resume bits watch PROPERTIES TIMEOUT 300)
endif()

# The pages show an example; the first run builds the Swift package, which takes its time.
if(NANOGRAD_BUILD_EXAMPLES)
  add_test(NAME docs COMMAND scripts/check-docs.sh ${CMAKE_CURRENT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(docs PROPERTIES TIMEOUT 1200 RESOURCE_LOCK install_manifest)
endif()
