#!/usr/bin/env bash
# Usage: scripts/check-bits.sh [BUILD]
# Trains the network of the GRU example with one thread and with three, with AVX2 and with AVX-512, and
# compares what is saved: it must be the same in every bit. Where the processor lacks one of the
# instruction sets, the next lower one runs in its place.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=${1:-build}
program=$build/examples/gru_mnist
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# No data: the program draws digits itself.
export NANOGRAD_MNIST=
train() {
  local file=$folder/$1-$2.safetensors
  NANOGRAD_ISA=$1 NANOGRAD_THREADS=$2 "$program" --images 300 --hidden 50 --steps 30 \
    --save "$file" >"$folder/log" 2>&1 || cat "$folder/log" >&2
  echo "$file"
}

for start in "avx512 1" "baseline 1"; do
  read -r isa threads <<<"$start"
  first=$(train "$isa" "$threads")
  for threads in 1 2 3; do
    others=("$isa")
    [[ "$isa" == avx512 ]] && others+=(avx2)
    for other in "${others[@]}"; do
      file=$(train "$other" "$threads")
      cmp "$first" "$file" || {
        echo "$other with $threads threads gives other bits than $isa with 1" >&2
        exit 1
      }
      echo "the same bits: $isa with 1 thread, $other with $threads"
    done
  done
done
