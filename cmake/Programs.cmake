# The C programs: examples, tests, measurements. They know the library through its header alone.
find_package(ZLIB REQUIRED)

# Each lands in ${folder}/<name> and finds the library by a path relative to itself.
function(nanograd_program name folder source)
  add_executable(${name} ${source})
  nanograd_c_options(${name})
  target_link_libraries(${name} PRIVATE ${ARGN} nanograd::nanograd m)
  target_link_options(${name} PRIVATE ${NANOGRAD_LINK_INSTRUMENTS})
  string(REGEX REPLACE "^(example|bench)_" "" output ${name})
  set_target_properties(${name} PROPERTIES
    OUTPUT_NAME ${output} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${folder}
    BUILD_RPATH_USE_ORIGIN ON)
endfunction()

function(nanograd_c_options target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic
    $<$<BOOL:${NANOGRAD_WERROR}>:-Werror>)
endfunction()

# What the examples share: reading IDX files, showing progress.
file(GLOB _common CONFIGURE_DEPENDS examples/common/*.c)
add_library(example_common STATIC ${_common})
nanograd_c_options(example_common)
target_include_directories(example_common PUBLIC examples/common)
target_link_libraries(example_common PUBLIC nanograd::nanograd ZLIB::ZLIB m)

if(NANOGRAD_BUILD_EXAMPLES)
  file(GLOB _examples CONFIGURE_DEPENDS examples/*.c)
  foreach(_source IN LISTS _examples)
    cmake_path(GET _source STEM _name)
    nanograd_program(example_${_name} examples ${_source} example_common)
  endforeach()
endif()

if(NANOGRAD_BUILD_BENCH)
  find_package(Threads REQUIRED)
  add_library(bench_common STATIC bench/common.c)
  nanograd_c_options(bench_common)
  target_link_libraries(bench_common PUBLIC example_common Threads::Threads)

  file(GLOB _benches CONFIGURE_DEPENDS bench/*.c)
  list(FILTER _benches EXCLUDE REGEX "/common\\.c$")
  foreach(_source IN LISTS _benches)
    cmake_path(GET _source STEM _name)
    nanograd_program(bench_${_name} bench ${_source} bench_common)
  endforeach()

  # The loop beside the library is to be as fast as the compiler can make it.
  set_source_files_properties(bench/glm_step.c PROPERTIES
    COMPILE_OPTIONS "-O3;-march=native;-ffast-math")
  # This one loads the library while it runs: it calls nothing of it, so the linker leaves it out.
  target_link_options(bench_load PRIVATE -Wl,--as-needed)
endif()

if(NANOGRAD_BUILD_TESTS)
  include(cmake/Tests.cmake)
endif()
