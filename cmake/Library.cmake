# libnanograd.so: the Swift modules and the Swift runtime in one file that exports the functions of
# the header and needs nothing but the C and C++ runtimes.
add_library(nanograd SHARED ${NANOGRAD_OBJECTS})
add_library(nanograd::nanograd ALIAS nanograd)
set_target_properties(nanograd PROPERTIES
  LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LIBRARY_OUTPUT_DIRECTORY lib
  LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/nanograd.map)
target_include_directories(nanograd INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# swiftc links, because it knows which parts of its runtime the objects need.
set(CMAKE_C_CREATE_SHARED_LIBRARY "\"${NANOGRAD_SWIFTC}\" -use-ld=lld -emit-library -static-stdlib \
-Xlinker -soname -Xlinker <TARGET_SONAME> <LINK_FLAGS> -o <TARGET> <OBJECTS>")
target_link_options(nanograd PRIVATE
  "SHELL:-Xlinker --version-script=${CMAKE_CURRENT_BINARY_DIR}/nanograd.map"
  # Sources/Nanograd/Reserve.swift looks after each call of malloc.
  "SHELL:-Xlinker --wrap=malloc"
  # Threads of the host keep pointers into the library, to what is done when they end: it stays.
  "SHELL:-Xlinker -z -Xlinker nodelete"
  # Bound when it is loaded, so that the table of addresses is read-only from then on.
  "SHELL:-Xlinker -z -Xlinker relro -Xlinker -z -Xlinker now"
  # Which object each function was taken from, for scripts/check-library.sh.
  "SHELL:-Xlinker -Map=${CMAKE_CURRENT_BINARY_DIR}/nanograd.link"
  "$<$<CONFIG:Release,MinSizeRel>:SHELL:-Xlinker -s>")
# Sources/Nanograd/NodeMemory.swift looks after the objects that come and go. Sanitizers do that better.
if(NOT NANOGRAD_SANITIZE)
  target_link_options(nanograd PRIVATE
    "SHELL:-Xlinker --wrap=swift_slowAlloc -Xlinker --wrap=swift_slowDealloc")
endif()
# What counts lines is in the library itself, with all functions, so that one that nobody calls counts.
if(NANOGRAD_COVERAGE)
  target_link_options(nanograd PRIVATE -profile-generate)
else()
  target_link_options(nanograd PRIVATE "SHELL:-Xlinker --gc-sections")
endif()
# With sanitizers, the program brings their run time for itself and the library.
if(NOT NANOGRAD_C_INSTRUMENTS)
  target_link_options(nanograd PRIVATE "SHELL:-Xlinker -z -Xlinker defs")
endif()
