#!/usr/bin/env bash
# Usage: scripts/check-library.sh [LIBRARY]
# Checks the built library (build/lib/libnanograd.so) against what we promise: it exports exactly the
# functions of the header, needs the C and C++ runtimes and nothing else, is no larger than 10 MB, is
# hardened, and runs no instruction that a processor may lack but from the kernels made for it.

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
segments=$(readelf -lW "$library")
grep -q 'GNU_RELRO' <<<"$segments" || fail "Nothing in it is read-only after relocation (-z relro)."
grep -q 'BIND_NOW' <<<"$dynamic" || fail "It is bound lazily (-z now is missing)."
grep -q 'GNU_STACK' <<<"$segments" || fail "It does not say that its stack is not executable."
! grep -E 'GNU_STACK.*E ' <<<"$segments" || fail "It asks for an executable stack."
! grep -E 'LOAD.* RWE ' <<<"$segments" || fail "It has memory that is writable and executable."

size=$(stat -c %s "$library")
((size <= 10000000)) || fail "It has $size bytes."

# The kernels for AVX2 and AVX-512 share specialisations of the standard library with everything else,
# compiled for other processors. So no object but their own (and AVX2's in that of AVX-512) may know
# a symbol that the linker took from them: their table, chosen at load, is the only way in.
modules=$(dirname "$library")/../modules
map=$(dirname "$library")/../nanograd.link
all_symbols() { nm --quiet --extern-only "$@" 2>/dev/null | awk 'NF > 1 { print $NF }' | sort -u; }
taken_from() { # the symbols that came from a module, by the linker's account
  comm -12 <(all_symbols --defined-only "$modules/$1.o") <(awk -v object="/$1.o:" '
    NF >= 5 && $5 ~ /:\(/ { ours = index($5, object) }
    NF == 5 && $5 !~ /:\(/ && ours { print $5 }' "$map" | sort -u)
}
if [[ $(uname -m) == x86_64 ]]; then
  others=()
  for module in NanogradKernelTable NanogradKernels Nanograd NanogradC; do
    others+=("$modules/$module.o")
    wide=$(objdump -d --no-show-raw-insn "$modules/$module.o" |
      grep -E '%[yz]mm|%k[1-7]|\sv[a-z0-9]+ .*%xmm' | head -n 3 || true)
    [[ -z "$wide" ]] || fail "$module uses instructions that not every processor has:"$'\n'"$wide"
  done
  mapfile -t archives < <(grep -oE '/[^ ]+\.a\(' "$map" | tr -d '(' | sort -u)
  others+=("${archives[@]}")
  for module in NanogradKernelsAVX2 NanogradKernelsAVX512; do
    ways=$(comm -12 <(taken_from "$module") <(all_symbols "${others[@]}"))
    grep -q "${module}7kernels" <<<"$ways" || fail "Nothing leads to the kernels of $module."
    ways=$(grep -v "${module}7kernels" <<<"$ways" | head -n 3 || true)
    [[ -z "$ways" ]] || fail "The linker took from $module what others use too:"$'\n'"$ways"
    others+=("$modules/$module.o")
  done
fi

((failed)) || printf '%s: %d functions, %d bytes, needs %s\n' "$(basename "$library")" \
  "$(wc -l <<<"$exported")" "$size" "$(tr '\n' ' ' <<<"$needed")"
exit "$failed"
