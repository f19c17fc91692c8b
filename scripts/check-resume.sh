#!/usr/bin/env bash
# Usage: scripts/check-resume.sh [--kills N] [BUILD-FOLDER]
# Trains a small network with build/examples/gru_mnist, kills it with SIGKILL at random moments, N (200)
# times in all, and resumes it. After every kill the checkpoint has to load, and to be no older than
# the one before; in the end its bits have to be those of a training that nobody interrupted.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kills=200
if [[ "${1:-}" == --kills ]]; then
  kills=$2
  shift 2
fi
program=$(from_caller "${1:-$PWD/build}")/examples/gru_mnist
unset NANOGRAD_MNIST # drawn digits, the same for everybody
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
images=(--images 100)
start=("${images[@]}" --hidden 4 --batch 8 --steps 300)

fail() {
  warn "$*"
  exit 1
}

"$program" "${start[@]}" --save whole --every 300 >log 2>&1 || fail "The training fails: $(<log)"
first=$(sha256sum <whole)
"$program" "${start[@]}" --save whole --every 50 >log 2>&1
[[ "$(sha256sum <whole)" == "$first" ]] || fail "Two trainings with the same seed differ."

killed=0 finished=0 left=0 step=0
while ((killed < kills || finished == 0)); do
  # Every few steps or after each, so that many kills hit a checkpoint that is being written.
  how=(--every $((RANDOM % 3 + 1)))
  if [[ -e run ]]; then how+=(--resume run "${images[@]}"); else how+=(--save run "${start[@]}"); fi
  "$program" "${how[@]}" >log 2>errors &
  pid=$!
  if ((killed < kills)); then
    sleep "0.$(printf '%03d' $((RANDOM % 400 + 10)))"
    kill -KILL "$pid" 2>/dev/null || true
  fi
  status=0
  wait "$pid" 2>/dev/null || status=$?
  reached=$(sed -n 's/^resumed after step //p' log)
  if [[ -n "$reached" ]]; then
    ((reached >= step)) || fail "Step $reached comes after step $step."
    step=$reached
  fi
  left=$((left + $(find . -name '*.tmp' | wc -l)))
  find . -name '*.tmp' -delete
  case $status in
    137)
      killed=$((killed + 1))
      if [[ -t 2 ]]; then printf '\r%d of %d kills' "$killed" "$kills" >&2; fi
      [[ -e run ]] || continue
      "$program" --predict run "${images[@]}" >log 2>&1 ||
        fail "After kill $killed the checkpoint does not load: $(<log)"
      ;;
    0)
      cmp -s run whole || fail "After $killed kills the end is not that of the whole training."
      finished=$((finished + 1)) step=0
      rm run
      ;;
    *) fail "After $killed kills the training fails: $(<errors)" ;;
  esac
done
if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
printf '%d kills, %d trainings resumed to the same bits, %d temporary files left behind\n' \
  "$killed" "$finished" "$left"
