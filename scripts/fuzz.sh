#!/usr/bin/env bash
# Usage: scripts/fuzz.sh [--reader] [SECONDS]
# Fuzzes the library for some seconds (60): libFuzzer makes up programs that call every function of
# nanograd.h with whatever fits its types, under AddressSanitizer, and each call is judged; with
# --reader it makes up safetensors files. See ctests/fuzz. Starts from the corpus there and keeps what it
# finds worth keeping in build-asan/corpus. Says how many calls (or files) it made. What brings the library
# down is left in build-asan/found, and
#
#     FUZZ_TRACE=1 build-asan/ctests/fuzz/replay FILE
#
# shows the calls of a program.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fuzzer=fuzz_calls corpus=corpus
if [[ "${1:-}" == --reader ]]; then
  fuzzer=fuzz_safetensors corpus=corpus_safetensors
  shift
fi
seconds=${1:-60}
if ! [[ "$seconds" =~ ^[1-9][0-9]*$ ]]; then
  warn "scripts/fuzz.sh: \"$seconds\" is no number of seconds, expected 1 or more"
  exit 2
fi

scripts/install-tools.sh
cmake --preset asan >/dev/null
cmake --build --preset asan --target "$fuzzer" replay
mkdir -p "build-asan/$corpus" build-asan/found
log=build-asan/$fuzzer.log

heading "Fuzzing for $seconds s"
FUZZ_COUNT=1 "build-asan/ctests/fuzz/$fuzzer" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=4096 \
  -max_len=2048 -len_control=20 -print_final_stats=1 -artifact_prefix=build-asan/found/ \
  "build-asan/$corpus" "ctests/fuzz/$corpus" >"$log" 2>&1 &
fuzzer=$!
trap 'kill "$fuzzer" 2>/dev/null || true' EXIT
if [[ -t 1 ]]; then
  while kill -0 "$fuzzer" 2>/dev/null; do
    printf '\r\e[K%3d of %d s  %s' "$SECONDS" "$seconds" \
      "$(grep -aoE '#[0-9]+.*cov: [0-9]+' "$log" | tail -n 1)"
    sleep 1
  done
  printf '\r\e[K'
fi
if wait "$fuzzer"; then
  grep -aE '^(calls made|Done|stat::(number|average|peak))' "$log"
  echo "Nothing found."
else
  grep -av 'failed to allocate' "$log" | tail -n 40
  warn "Found something: see $log and build-asan/found"
  exit 1
fi
