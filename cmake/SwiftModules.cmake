# Compiles each Swift module to one object file and one .swiftmodule. CMake's own support for Swift
# hands swiftc sources and libraries in one command, and in 3.25 misses when an imported module
# has changed; spelled out, every dependency is exact, and one object per module optimises best.
find_program(NANOGRAD_SWIFTC swiftc PATHS /opt/swift/usr/bin
  DOC "The Swift compiler, 6.2 or later")
if(NANOGRAD_SWIFTC)
  execute_process(COMMAND ${NANOGRAD_SWIFTC} --version
    OUTPUT_VARIABLE _swift_version ERROR_QUIET)
endif()
if(NOT _swift_version MATCHES "Swift version ([0-9.]+)" OR CMAKE_MATCH_1 VERSION_LESS 6.2)
  message(FATAL_ERROR "nanograd needs Swift 6.2 or later, which was not found on PATH or in "
    "/opt/swift. It comes from https://www.swift.org/install/linux/; "
    "-DNANOGRAD_SWIFTC=/path/to/swiftc names one elsewhere.")
endif()
message(STATUS "Swift ${CMAKE_MATCH_1}: ${NANOGRAD_SWIFTC}")

set(_modules ${CMAKE_CURRENT_BINARY_DIR}/modules)
file(MAKE_DIRECTORY ${_modules})

# What Package.swift asks of every module.
set(_swift_flags
  -swift-version 6 -package-name nanograd -parse-as-library -wmo -enforce-exclusivity=unchecked
  -module-cache-path ${_modules}/cache -I ${_modules}
  $<IF:$<CONFIG:Debug>,-Onone,-O> $<$<NOT:$<CONFIG:Release>>:-gline-tables-only>
  ${NANOGRAD_SWIFT_INSTRUMENTS})

# nanograd_swift_module(<name> [EARLY] [IMPORTS <module>...] [INCLUDES <folder>...] [OPTIONS <flag>...])
# compiles Sources/<name> and appends its object to NANOGRAD_OBJECTS. The folders hold a C header
# and its module map. EARLY is for a module of which nothing is inlined into others: they need not
# wait for its code, which is what takes the time.
function(nanograd_swift_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "EARLY" "" "IMPORTS;INCLUDES;OPTIONS")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS Sources/${name}/*.swift)
  list(TRANSFORM arg_IMPORTS REPLACE "(.+)" "${_modules}/\\1.swiftmodule" OUTPUT_VARIABLE imports)
  set(headers "")
  foreach(folder IN LISTS arg_INCLUDES)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${folder}/*.h ${folder}/module.modulemap)
    list(APPEND headers ${found})
    list(APPEND arg_OPTIONS -I${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  endforeach()
  set(compile ${NANOGRAD_SWIFTC} ${_swift_flags} ${arg_OPTIONS} -module-name ${name} ${sources})
  set(module ${_modules}/${name}.swiftmodule)
  set(object ${_modules}/${name}.o)
  set(outputs ${object} ${module})
  set(emit_module -emit-module-path ${module})
  set(declared "")
  if(arg_EARLY)
    set(outputs ${object})
    set(emit_module "")
    set(declared ${module}) # before the code, which is not needed as soon
    add_custom_command(
      OUTPUT ${module}
      COMMAND ${compile} -Onone -emit-module -emit-module-path ${module}
      COMMAND ${CMAKE_COMMAND} -E touch ${module}
      DEPENDS ${sources} ${imports} ${headers}
      COMMENT "Declaring Swift module ${name}"
      COMMAND_EXPAND_LISTS VERBATIM)
  endif()
  # swiftc leaves a module file alone when its contents stay the same, and Ninja would then think it
  # out of date for ever: hence the touch.
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND ${compile} -c -o ${object} ${emit_module}
    COMMAND ${CMAKE_COMMAND} -E touch ${outputs}
    DEPENDS ${sources} ${imports} ${headers} ${declared}
    COMMENT "Compiling Swift module ${name}"
    COMMAND_EXPAND_LISTS VERBATIM)
  list(APPEND NANOGRAD_OBJECTS ${object})
  set(NANOGRAD_OBJECTS ${NANOGRAD_OBJECTS} PARENT_SCOPE)
endfunction()

# One set of kernel sources, three builds of it on x86-64. Only here do we leave out the checks for
# overflow and bounds: whoever calls a kernel has made them. Nothing of a kernel may be inlined into a
# module that is compiled for other processors, hence -disable-cmo.
set(_kernels EARLY IMPORTS NanogradKernelTable INCLUDES Sources/CPlatform OPTIONS -disable-cmo)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  list(APPEND _kernels -Ounchecked -Xcc -fno-math-errno)
endif()
# On other processors than x86-64, what every one of them has is all there is.
set(_wider "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(_wider NanogradKernelsAVX2 NanogradKernelsAVX512)
endif()

# The objects are linked in this order. Where several modules hold the same specialisation of a
# generic function, the linker keeps the first, which has to be one that runs on every processor
# and that checks its arguments: the kernels come last, the most demanding at the end.
nanograd_swift_module(NanogradKernelTable)
nanograd_swift_module(NanogradC IMPORTS Nanograd INCLUDES include Sources/CPlatform)
# NANOGRAD_RESERVE and NANOGRAD_NODE_MEMORY go with --wrap in Library.cmake.
nanograd_swift_module(Nanograd
  IMPORTS NanogradKernelTable NanogradKernels ${_wider}
  INCLUDES Sources/CPlatform
  OPTIONS -DNANOGRAD_RESERVE "$<$<NOT:$<BOOL:${NANOGRAD_SANITIZE}>>:-DNANOGRAD_NODE_MEMORY>"
    "$<$<NOT:$<CONFIG:Debug>>:-cross-module-optimization>")
nanograd_swift_module(NanogradKernels ${_kernels} -DNANOGRAD_BASELINE)
if(_wider)
  nanograd_swift_module(NanogradKernelsAVX2 ${_kernels} -DNANOGRAD_AVX2 -Xcc -march=x86-64-v3)
  set(_level "")
  if(NANOGRAD_COVERAGE AND EXISTS /proc/cpuinfo)
    # What cannot run here runs no lines; optimising it takes longest of all.
    file(STRINGS /proc/cpuinfo _able REGEX avx512 LIMIT_COUNT 1)
    if(NOT _able)
      set(_level -Onone)
    endif()
  endif()
  nanograd_swift_module(NanogradKernelsAVX512 ${_kernels} -DNANOGRAD_AVX512
    -Xcc -march=x86-64-v4 -Xcc -mprefer-vector-width=512 ${_level})
endif()
