#!/usr/bin/env bash
# Usage: scripts/check-library.sh [LIBRARY]
# Checks the built library (build/lib/libnanograd.so) against what we promise: it exports exactly the
# functions of the header, needs the C and C++ runtimes and nothing else, is no larger than 10 MB, and
# uses wide vector registers only in the kernels that are made for them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

library=$(from_caller "${1:-$PWD/build/lib/libnanograd.so}")
failed=0
fail() {
  echo "$*"
  failed=1
}

# The preprocessor leaves the declarations alone, which is a second opinion on the version script.
declared=$(cc -E -P -I include -x c include/nanograd.h | grep -oE '\bng_[a-z0-9_]+ *\(' |
  tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort -u)
if [[ "$declared" != "$exported" ]]; then
  fail "The header (<) and the exported symbols (>) differ:"
  diff <(echo "$declared") <(echo "$exported") || true
fi

dynamic=$(readelf -dW "$library")
needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
for name in $needed; do
  case "$name" in
    libc.so.* | libm.so.* | libstdc++.so.* | libgcc_s.so.* | ld-linux*) ;;
    libpthread.so.* | libdl.so.* | librt.so.*) ;; # parts of libc before glibc 2.34
    *) fail "It needs $name." ;;
  esac
done
grep -q '(SONAME).*\[libnanograd\.so\.[0-9]*\]' <<<"$dynamic" || fail "It has no proper SONAME."
! grep -E '\((RPATH|RUNPATH|TEXTREL)\)' <<<"$dynamic" || fail "It has a search path or text relocations."
! readelf -lW "$library" | grep -E 'GNU_STACK.*E ' || fail "It asks for an executable stack."

size=$(stat -c %s "$library")
((size <= 10000000)) || fail "It has $size bytes."

modules=$(dirname "$library")/../modules
if [[ $(uname -m) == x86_64 ]]; then
  for module in NanogradKernelTable NanogradKernels Nanograd NanogradC; do
    if objdump -d "$modules/$module.o" | grep -m 1 -E '%[yz]mm|%k[1-7]'; then
      fail "$module uses registers that not every processor has."
    fi
  done
fi

((failed)) || printf '%s: %d functions, %d bytes, needs %s\n' "$(basename "$library")" \
  "$(wc -l <<<"$exported")" "$size" "$(tr '\n' ' ' <<<"$needed")"
exit "$failed"
