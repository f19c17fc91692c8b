#!/usr/bin/env bash
# Usage: scripts/check-safetensors.sh [BUILD-FOLDER]
# Checks that the Python package safetensors reads what nanograd saves, to the last bit, and nanograd
# what that saves. Installs it, and NumPy, in a virtual environment in BUILD-FOLDER (build/); where
# that is not possible, says so and exits with 77.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=$(from_caller "${1:-$PWD/build}")
environment=$build/safetensors-python
python=$environment/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT
modules="import numpy, safetensors.numpy"

if ! "$python" -c "$modules" 2>/dev/null; then
  if ! python3 -m venv --clear "$environment" >"$log" 2>&1; then
    # Debian's Python comes without what makes environments.
    as_root=()
    [[ $(id -u) == 0 ]] || as_root=(sudo -n)
    { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv &&
      python3 -m venv --clear "$environment"; } >"$log" 2>&1 || true
  fi
  if ! { "$python" -m pip install --quiet --disable-pip-version-check numpy safetensors &&
    "$python" -c "$modules"; } >>"$log" 2>&1; then
    tail -n 3 "$log"
    echo "Skipped: the Python package safetensors could not be installed."
    exit 77
  fi
fi
"$python" ctests/check_safetensors.py "$build/lib/libnanograd.so"
