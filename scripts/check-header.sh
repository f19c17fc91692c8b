#!/usr/bin/env bash
# Usage: scripts/check-header.sh
# Compiles include/nanograd.h as C99 to C17 and as C++11 to C++20 with every warning an error, by each
# of GCC and Clang that is present.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Included twice, as it will be; every constant in it has to be usable.
source_text='#include <nanograd.h>
#include <nanograd.h>
int nanograd_version[] = {NG_VERSION_MAJOR, NG_VERSION_MINOR, NG_VERSION_PATCH};'
warnings=(-Wall -Wextra -Wpedantic -Wundef -Wconversion -Werror)
count=0
failed=0

check() { # COMPILER LANGUAGE STANDARD FLAG...
  local compiler=$1 language=$2 standard=$3
  shift 3
  if ! have "$compiler"; then
    return
  fi
  count=$((count + 1))
  if ! "$compiler" -x "$language" -std="$standard" "${warnings[@]}" "$@" -I include \
    -fsyntax-only - <<<"$source_text"; then
    echo "$compiler rejects nanograd.h as $standard"
    failed=1
  fi
}

for standard in c99 c11 c17; do
  check gcc c "$standard" -Wstrict-prototypes -Wmissing-prototypes
  check clang c "$standard" -Wstrict-prototypes -Wmissing-prototypes -Wdocumentation
done
for standard in c++11 c++14 c++17 c++20; do
  check g++ c++ "$standard"
  check clang++ c++ "$standard"
done
if ((count == 0)); then
  echo "There is no compiler to check the header with."
  exit 1
fi
((failed)) || echo "nanograd.h compiles without a warning in all $count ways"
exit "$failed"
