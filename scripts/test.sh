#!/usr/bin/env bash
# Usage: scripts/test.sh
# Runs every test there is: the Swift tests; the C tests with the checks of the header, the library and
# its installation; how much of Sources these run; the Python package and the other languages. Tests on
# MNIST run where scripts/mnist.sh finds it without a download, or NANOGRAD_MNIST names it. Ends with a
# line for each suite; fails if any of them did.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

summary=()
failed=0

# suite NAME PATTERN COMMAND...: the last line of the output that matches is the suite's summary.
suite() {
  local name=$1 pattern=$2 log line status=0
  shift 2
  heading "$name"
  log=$(mktemp)
  "$@" 2>&1 | tee "$log" || status=$?
  line=$(grep -E "$pattern" "$log" | tail -n 1 | sed 's/^[[:space:]]*//') || true
  rm -f "$log"
  # A suite that says nothing has tested nothing.
  if ((status == 0)) && [[ -n "$line" ]]; then
    summary+=("passed  $name: $line")
  else
    summary+=("FAILED  $name: ${line:-no result} (status $status)")
    failed=1
  fi
}

build_and_run_ctest() {
  scripts/build.sh -DNANOGRAD_BUILD_EXAMPLES=ON -DNANOGRAD_BUILD_TESTS=ON -DNANOGRAD_WERROR=ON &&
    ctest --test-dir build --output-on-failure --no-tests=error
}

scripts/install-tools.sh
if [[ -z "${NANOGRAD_MNIST:-}" && -d data/mnist ]]; then
  export NANOGRAD_MNIST=$PWD/data/mnist
fi
echo "MNIST: ${NANOGRAD_MNIST:-none, so the tests that need it are skipped}"

suite "Swift" "Executed [1-9][0-9]* tests?," \
  swift test -c release -Xswiftc -enable-testing
suite "C" "tests passed" build_and_run_ctest
suite "Coverage" "[0-9.]+ %.* lines$" scripts/coverage.sh
suite "Python" "passed|skipped" scripts/test-python.sh
# Swift's example is built from scratch, which takes minutes; the rest takes seconds.
suite "Languages" "[1-9][0-9]* languages passed" \
  scripts/test-languages.sh c++ rust luajit ruby go java

heading "Summary"
printf '%s\n' "${summary[@]}"
exit "$failed"
