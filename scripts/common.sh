# What every script here starts with: source it, do not run it. It moves to the root of the project,
# finds Swift where it is usually unpacked, and answers --help with the script's own first comment.
# shellcheck shell=bash
set -euo pipefail

if [[ "${1:-}" == "--help" || "${1:-}" == "-h" ]]; then
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
  exit 0
fi
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:/opt/swift/usr/bin"

if [[ -n "${NANOGRAD_MNIST:-}" ]]; then
  NANOGRAD_MNIST=$(cd "$called_from" && realpath -m -- "$NANOGRAD_MNIST")
  export NANOGRAD_MNIST
fi

# Colour only for a person, and only if the person has not said no.
bold="" plain=""
if [[ -t 1 && -z "${NO_COLOR:-}" ]]; then
  bold=$'\e[1m' plain=$'\e[0m'
fi

heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
# A path as the caller meant it, who may have been in another folder.
from_caller() { (cd "$called_from" && realpath -- "$1"); }
warn() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
