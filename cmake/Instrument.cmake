# Builds for finding faults: NANOGRAD_SANITIZE and NANOGRAD_COVERAGE. The presets set them. C is then
# compiled by the clang that came with swiftc, so that both halves call one and the same run time.
# To be included before project(), which settles on a C compiler.
set(NANOGRAD_SANITIZE "" CACHE STRING "Check while running: address, thread, or empty")
set_property(CACHE NANOGRAD_SANITIZE PROPERTY STRINGS "" address thread)
option(NANOGRAD_COVERAGE "Count the lines that run, for scripts/coverage.sh" OFF)

# What swiftc compiles with, what C compiles with, what programs link with.
set(NANOGRAD_SWIFT_INSTRUMENTS "")
set(NANOGRAD_C_INSTRUMENTS "")
set(NANOGRAD_LINK_INSTRUMENTS "")
if(NANOGRAD_SANITIZE STREQUAL "address")
  # The edge counters are for the fuzzer; without one nobody looks at them.
  set(NANOGRAD_SWIFT_INSTRUMENTS -sanitize=address
    -sanitize-coverage=edge,inline-8bit-counters,pc-table)
  set(NANOGRAD_C_INSTRUMENTS -fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
elseif(NANOGRAD_SANITIZE STREQUAL "thread")
  set(NANOGRAD_SWIFT_INSTRUMENTS -sanitize=thread)
  set(NANOGRAD_C_INSTRUMENTS -fsanitize=thread)
elseif(NANOGRAD_SANITIZE)
  message(FATAL_ERROR "NANOGRAD_SANITIZE is ${NANOGRAD_SANITIZE}, expected address, thread or empty")
endif()
if(NANOGRAD_COVERAGE)
  list(APPEND NANOGRAD_SWIFT_INSTRUMENTS -profile-generate -profile-coverage-mapping)
endif()

if(NANOGRAD_C_INSTRUMENTS)
  find_program(NANOGRAD_SWIFTC swiftc PATHS /opt/swift/usr/bin)
  if(NOT NANOGRAD_SWIFTC)
    message(FATAL_ERROR "swiftc was not found: docs/building.md says where it comes from")
  endif()
  file(REAL_PATH ${NANOGRAD_SWIFTC} _toolchain)
  cmake_path(GET _toolchain PARENT_PATH _toolchain)
  if(NOT CMAKE_C_COMPILER)
    find_program(CMAKE_C_COMPILER clang HINTS ${_toolchain} NO_DEFAULT_PATH)
  endif()
  add_compile_options("$<$<COMPILE_LANGUAGE:C>:${NANOGRAD_C_INSTRUMENTS}>")
  # lld, because gold complains about the run time's symbols.
  set(NANOGRAD_LINK_INSTRUMENTS ${NANOGRAD_C_INSTRUMENTS} -fuse-ld=lld)
  if(NANOGRAD_SANITIZE STREQUAL "thread")
    # The run time of this toolchain knows libdispatch, and wants to find it.
    cmake_path(SET _dispatch NORMALIZE ${_toolchain}/../lib/swift/linux)
    list(APPEND NANOGRAD_LINK_INSTRUMENTS
      -L${_dispatch} -Wl,-rpath,${_dispatch} -ldispatch -lBlocksRuntime)
  endif()
endif()
