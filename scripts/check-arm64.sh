#!/usr/bin/env bash
# Usage: scripts/check-arm64.sh
# On a machine that is not arm64, compiles the kernels and their tests for it, runs the tests under QEMU,
# and looks at the loops of matrix products. Swift for Linux brings only one standard library for arm64,
# that of Embedded Swift; it has what the kernels use, and Tests/Embedded stands in for XCTest. Left out are
# tests that need threads or a second set of kernels, and all of nanograd that is not a kernel: on an
# arm64 machine, scripts/test.sh is the better check.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

missing=()
have aarch64-linux-gnu-gcc || missing+=(gcc-aarch64-linux-gnu)
headers=/usr/aarch64-linux-gnu/include
[[ -e $headers/math.h ]] || missing+=(libc6-dev-arm64-cross)
have qemu-aarch64 || missing+=(qemu-user)
if ((${#missing[@]})); then
  as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  { "${as_root[@]}" apt-get update -qq || true; } >/dev/null # the lists may be there already
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    warn "Please install these packages (Debian's names), then try again: ${missing[*]}"
    exit 1
  }
fi
tools=$(dirname "$(realpath "$(command -v swiftc)")")
embedded=$(realpath "$tools/../lib/swift/embedded")
target=aarch64-none-none-elf
[[ -e $embedded/Swift.swiftmodule/$target.swiftmodule ]] || {
  warn "This Swift has no Embedded Swift for arm64, which would be in $embedded."
  exit 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compile() { # compile MODULE [OPTION...] SOURCE...
  "$tools/swiftc" -c -target $target -enable-experimental-feature Embedded -swift-version 6 \
    -package-name nanograd -parse-as-library -wmo -module-cache-path "$folder/cache" \
    -I "$folder" -I Tests/Embedded/Glibc -I Sources/CPlatform -Xcc -isystem -Xcc $headers \
    -module-name "$1" -emit-module-path "$folder/$1.swiftmodule" -o "$folder/$1.o" "${@:2}"
}

# Tests are usually found, and codes printed, by reflection, which Embedded Swift does without.
shopt -s extglob
tests=(Tests/KernelTests/!(AgreementTests).swift)
{
  printf 'import NanogradKernelTable\nimport XCTest\n'
  awk '/^public enum/ {
      print "extension", $3, "CustomStringConvertible {"
      print "public var description: String { switch self {"
      inside = 1
    }
    inside && /^  case / {
      gsub(",", "")
      for (i = 2; i <= NF; i++) print "case ." $i ": \"" $i "\""
    }
    inside && /^}/ { print "} } }"; inside = 0 }' Sources/NanogradKernelTable/KernelTable.swift
  echo '@main struct Main { static func main() {'
  awk '/^final class .*: XCTestCase/ { class = $3; sub(":", "", class) }
    /^  func test.*\(\) {/ {
      sub(/\(.*/, "", $2)
      print "run(\"" class "." $2 "\") { " class "()." $2 "() }"
    }' "${tests[@]}"
  echo 'finish() } }'
} >"$folder/Main.swift"

# The optimisation is that of a release.
compile NanogradKernelTable -O Sources/NanogradKernelTable/*.swift
compile NanogradKernels -Ounchecked -disable-cmo -Xcc -fno-math-errno -DNANOGRAD_BASELINE \
  Sources/NanogradKernels/*.swift
compile XCTest -O Tests/Embedded/XCTest.swift
compile KernelTests -O "$folder/Main.swift" "${tests[@]}"
aarch64-linux-gnu-gcc -static -fuse-ld=lld -B"$tools" -o "$folder/tests" "$folder"/*.o \
  "$embedded/$target/libswiftUnicodeDataTables.a" -lm
qemu-aarch64 "$folder/tests"

# The loops of tiles, in products and contractions of both dtypes: their sums, 6 × 4 in the largest, stay
# in registers.
aarch64-linux-gnu-objdump -d --no-show-raw-insn "$folder/NanogradKernels.o" | awk '
  />:$/ { # a function begins
    is_tile = /TileProduct|ContractedPanel/
    split("", at)
    n = 0
  }
  NF >= 2 && is_tile {
    address = $1
    sub(":", "", address)
    at[address] = ++n
    operation[n] = $2
    is_on_stack[n] = /\[(sp|x29)/
  }
  $2 ~ /^b\./ && $3 in at { # back to the start of a loop
    sums = branches = spills = 0
    for (i = at[$3]; i < n; i++) {
      sums += operation[i] == "fmla"
      branches += operation[i] ~ /^(b|b\..*|cbn?z|tbn?z)$/
      spills += is_on_stack[i] || operation[i] ~ /^blr?$/
    }
    if (branches || !sums) next # not an innermost loop
    loops++
    if (sums >= 24) largest++
    if (spills) failed = 1
  }
  END {
    print loops " loops of tiles, " largest " of them with 24 sums or more"
    exit failed || largest < 4
  }' || {
  warn "There should be four such loops at least, and none that uses the stack."
  exit 1
}
