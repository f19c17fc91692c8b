# Programs that call the library with what bytes tell them: ctests/fuzz. `replay` runs them anywhere;
# with AddressSanitizer there is `fuzz_calls` too, which libFuzzer drives.
find_package(Threads REQUIRED)

function(nanograd_fuzzer name)
  nanograd_program(${name} ctests/fuzz ctests/fuzz/fuzz_calls.c Threads::Threads)
  target_sources(${name} PRIVATE ctests/fuzz/operands.c ctests/fuzz/judge.c ${ARGN})
  target_include_directories(${name} PRIVATE ctests/fuzz)
endfunction()

nanograd_fuzzer(replay ctests/fuzz/replay.c ${NANOGRAD_TEST_SUPPORT})
add_test(NAME fuzz_complete COMMAND replay --complete ${NANOGRAD_HEADER})
# The corpus, then random programs for as long as a test may take.
add_test(NAME fuzz_replay
  COMMAND replay --seconds 15 --random 100000 1 ${CMAKE_CURRENT_SOURCE_DIR}/ctests/fuzz/corpus)
set_tests_properties(fuzz_replay PROPERTIES TIMEOUT 300)

if(NANOGRAD_SANITIZE STREQUAL "address")
  nanograd_fuzzer(fuzz_calls ${NANOGRAD_TEST_SUPPORT})
  target_compile_options(fuzz_calls PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_calls PRIVATE -fsanitize=fuzzer)
endif()
