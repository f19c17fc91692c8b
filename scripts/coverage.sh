#!/usr/bin/env bash
# Usage: scripts/coverage.sh [--show FILE]
# How much of Sources the C tests run: builds with counters (build-coverage/), runs them and the
# programs of the fuzzer, and prints the share of lines for each file. The kernels are one set of
# files, built three times; the build that ran most of a file counts. Fails below the floor that
# stands here. --show FILE prints a file with the count of each line.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

floor=97

scripts/install-tools.sh
cmake --preset coverage >/dev/null
cmake --build --preset coverage
toolchain=$(dirname "$(realpath "$(command -v swiftc)")")
build=build-coverage
rm -rf "$build/counts" && mkdir -p "$build/counts"
counts=$PWD/$build/counts
LLVM_PROFILE_FILE="$counts/plans-%p.profraw" \
  ctest --preset coverage -R '^(test_|fuzz_)' -E 'leaks|threads' -j2 | tail -n 3
# Tensors are computed one by one, too: what the plans leave to the plain evaluator.
NANOGRAD_ENGINE=plain LLVM_PROFILE_FILE="$counts/plain-%p.profraw" \
  ctest --preset coverage -R '^test_(operators|shapes|reductions|dtypes)$' -j2 | tail -n 3
"$toolchain/llvm-profdata" merge -sparse "$build"/counts/*.profraw -o "$build/counts.profdata"

report=("$build/lib/libnanograd.so" -instr-profile="$build/counts.profdata")
if [[ "${1:-}" == "--show" ]]; then
  "$toolchain/llvm-cov" show "${report[@]}" "$PWD/$2"
  exit
fi
"$toolchain/llvm-cov" export "${report[@]}" -summary-only "$PWD/Sources" >"$build/coverage.json"
python3 - "$build/coverage.json" "$floor" <<'PYTHON'
import json, os, sys

files = json.load(open(sys.argv[1]))["data"][0]["files"]
floor = float(sys.argv[2])
lines = {}
for file in files:
    name = os.path.relpath(os.path.realpath(file["filename"]))
    count = file["summary"]["lines"]
    if name not in lines or count["covered"] > lines[name]["covered"]:
        lines[name] = count
for name, count in sorted(lines.items()):
    print(f"{count['percent']:6.1f} %  {count['covered']:5} of {count['count']:5}  {name}")
covered, count = (sum(line[key] for line in lines.values()) for key in ("covered", "count"))
share = 100 * covered / count
print(f"{share:6.1f} %  {covered:5} of {count:5}  lines")
if share < floor:
    sys.exit(f"less than {floor} %")
PYTHON
