#!/usr/bin/env bash
# Usage: bench/peers/run.sh [--venv DIR] [COMPARE-OPTION...]
# Sets nanograd beside PyTorch, JAX and oneDNN on this machine. Makes a virtual environment (in
# bench/peers/.venv unless --venv says otherwise) with PyTorch and JAX, installs oneDNN where there
# is apt-get and compiles the program for it, builds nanograd, and hands all other options to
# compare.py, whose --help lists them. TORCH names what pip is to install for
# PyTorch, if not just `torch`: a wheel for CPUs only is a tenth of the size.

source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"

venv=$PWD/bench/peers/.venv
if [[ "${1:-}" == "--venv" ]]; then
  venv=$(cd "$called_from" && realpath -m -- "${2:?--venv: expected a folder}")
  shift 2
fi

python=$venv/bin/python
if ! "$python" -c 'import torch, jax, numpy' 2>/dev/null; then
  heading "PyTorch and JAX, in $venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet "${TORCH:-torch}" jax numpy setuptools
  "$python" -c 'import torch, jax; print(torch.__version__, jax.__version__)'
fi

scripts/install-tools.sh --no-tests --peers || warn "Going on with what is here."
onednn=$venv/onednn_peer
if [[ ! -x "$onednn" || bench/peers/onednn_peer.cpp -nt "$onednn" ]]; then
  if ! "${CXX:-c++}" -O3 -march=native -std=c++17 -Wall -Wextra bench/peers/onednn_peer.cpp \
    -ldnnl -o "$onednn"; then
    rm -f "$onednn"
    warn "oneDNN is left out: its headers are not here, or are of a version other than 2"
  fi
fi

build=${NANOGRAD_BUILD:-$PWD/build}
if [[ ! -x "$build/bench/gru_step" || -z "${NANOGRAD_BUILD:-}" ]]; then
  heading "nanograd, in $build"
  cmake -G Ninja -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DNANOGRAD_BUILD_BENCH=ON >/dev/null
  cmake --build "$build"
fi

cd "$called_from"
exec "$python" "$OLDPWD/bench/peers/compare.py" --build "$build" --onednn "$onednn" "$@"
