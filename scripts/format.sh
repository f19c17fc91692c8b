#!/usr/bin/env bash
# Usage: scripts/format.sh [--check]
# Formats all Swift and C sources in place (swift format, clang-format). With --check changes nothing,
# names the files that are not formatted, and fails if there are any.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Links are left out: two kernel modules are made of them, and formatting would turn them into files.
# So is nanograd.h, a manual whose lines are set by hand.
folders=()
for folder in Sources Tests examples ctests bench; do
  [[ ! -d "$folder" ]] || folders+=("$folder")
done
mapfile -t swift_files < <(find Package.swift "${folders[@]}" -type f -name '*.swift')
mapfile -t c_files < <(find "${folders[@]}" -type f \( -name '*.c' -o -name '*.h' \))

have clang-format || { warn "clang-format is missing (in Debian: apt-get install clang-format)."; exit 1; }
if [[ "${1:-}" != "--check" ]]; then
  swift format --in-place --parallel "${swift_files[@]}"
  clang-format -i "${c_files[@]}"
  exit 0
fi

failed=0
for file in "${swift_files[@]}"; do
  swift format "$file" | cmp -s - "$file" || { echo "$file"; failed=1; }
done
for file in "${c_files[@]}"; do
  clang-format "$file" | cmp -s - "$file" || { echo "$file"; failed=1; }
done
exit "$failed"
