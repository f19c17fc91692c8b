# Programs that call the library with what bytes tell them, and files for its safetensors reader:
# ctests/fuzz. `replay` and `replay_safetensors` run them anywhere; with AddressSanitizer there are
# `fuzz_calls` and `fuzz_safetensors` too, which libFuzzer drives.
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

nanograd_program(replay_safetensors ctests/fuzz ctests/fuzz/replay_safetensors.c)
target_sources(replay_safetensors PRIVATE ctests/fuzz/fuzz_safetensors.c ${NANOGRAD_TEST_SUPPORT})
add_test(NAME fuzz_safetensors COMMAND
  replay_safetensors 5 ${CMAKE_CURRENT_SOURCE_DIR}/ctests/fuzz/corpus_safetensors)
set_tests_properties(fuzz_safetensors PROPERTIES TIMEOUT 120)

if(NANOGRAD_SANITIZE STREQUAL "address")
  nanograd_fuzzer(fuzz_calls ${NANOGRAD_TEST_SUPPORT})
  nanograd_program(fuzz_safetensors ctests/fuzz ctests/fuzz/fuzz_safetensors.c)
  target_sources(fuzz_safetensors PRIVATE ${NANOGRAD_TEST_SUPPORT})
  foreach(name IN ITEMS fuzz_calls fuzz_safetensors)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
