#!/usr/bin/env bash
# Usage: scripts/check-valgrind.sh [TEST...]
# Runs C tests of the release build (build/; by default all of them, which takes about half an hour)
# under valgrind's memcheck: no read or write outside of what is allocated, no decision by a number
# that was never written, and no memory lost. The baseline kernels are used, since valgrind knows no
# AVX-512. Prints a line for each test.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

scripts/install-tools.sh
if ! have valgrind; then
  as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends valgrind >/dev/null || {
    warn "Please install valgrind, then try again."
    exit 1
  }
fi

tests=("$@")
if ((${#tests[@]} == 0)); then
  for source in ctests/test_*.c; do
    tests+=("$(basename "$source" .c)")
  done
fi
cmake --preset release >/dev/null
cmake --build --preset release --target "${tests[@]}"

failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for test in "${tests[@]}"; do
  if [[ $test == test_failures ]]; then
    echo "$test      not run: it takes the place of the allocator, and so does valgrind"
    continue
  fi
  start=$SECONDS
  status=0
  NANOGRAD_ISA=baseline NANOGRAD_TEST_MEMCHECK=1 valgrind --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=none --show-leak-kinds=definite,indirect \
    --child-silent-after-fork=yes "build/ctests/$test" >"$log" 2>&1 || status=$?
  lost=$(sed -nE 's/.*(definitely|indirectly) lost: ([0-9,]+ bytes).*/\2 \1/p' "$log" | paste -sd';')
  errors=$(sed -nE 's/.*ERROR SUMMARY: ([0-9]+ errors).*/\1/p' "$log" | tail -n 1)
  printf '%-18s %s, %s, status %d, %d s\n' "$test" "${errors:-no result}" \
    "${lost:-0 bytes lost}" "$status" $((SECONDS - start))
  # What is lost counts here, and not as an error: a child has lost what its parent's other threads held.
  if ((status != 0)) || [[ "$errors" != "0 errors" || "$lost" =~ (^|[^0-9,])[1-9] ]]; then
    grep -E '^==|ERROR|FAILED' "$log" | head -n 60
    failed=1
  fi
done
exit "$failed"
