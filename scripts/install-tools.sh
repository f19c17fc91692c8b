#!/usr/bin/env bash
# Usage: scripts/install-tools.sh [--no-tests] [--docs] [--packages] [--peers]
# Installs what building nanograd needs and this machine lacks, with apt-get: CMake, Ninja, a C and
# C++ compiler, zlib, pkg-config; for the tests (not with --no-tests) cmocka, libabigail, mandoc and Python; with
# --docs Doxygen; with --packages what makes and checks Debian packages; with --peers oneDNN, which is
# measured beside nanograd. Swift itself is not in Debian or Ubuntu: if it is missing, says where to get it.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

missing=()
needs() { have "$1" || missing+=("$2"); }
needs cmake cmake
needs ninja ninja-build
needs cc gcc
needs c++ g++ # the Swift runtime links with libstdc++
needs readelf binutils
needs pkg-config pkg-config
if have cc; then
  has_header() { echo "#include <$1>" | cc -E -include stdarg.h -include stddef.h -include stdint.h \
    -include setjmp.h - >/dev/null 2>&1; }
else
  has_header() { [[ -e "/usr/include/$1" ]]; }
fi
has_header zlib.h || missing+=(zlib1g-dev)
if [[ " $* " != *" --no-tests "* ]]; then
  has_header cmocka.h || missing+=(libcmocka-dev)
  needs abidw abigail-tools
  needs mandoc mandoc
  needs python3 python3 # adds up the coverage
fi
if [[ " $* " == *" --docs "* ]]; then
  needs doxygen doxygen
fi
if [[ " $* " == *" --packages "* ]]; then
  needs dpkg-shlibdeps dpkg-dev
  needs file file # cpack asks it which files are libraries
  needs git git
  needs lintian lintian
fi

if [[ " $* " == *" --peers "* ]]; then
  has_header dnnl.h || missing+=(libdnnl-dev)
fi

if ((${#missing[@]})); then
  as_root=()
  if [[ $(id -u) != 0 ]]; then
    as_root=(sudo)
  fi
  if ! have apt-get || { ((${#as_root[@]})) && ! have sudo; }; then
    warn "Please install these packages (Debian's names), then try again: ${missing[*]}"
    exit 1
  fi
  echo "Installing ${missing[*]}"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  install=("${apt[@]}" install -y --no-install-recommends "${missing[@]}")
  # The package lists may be out of date, or fetching them fail where the packages are at hand.
  if ! { "${apt[@]}" update && "${install[@]}"; } >"$log" 2>&1 && ! "${install[@]}" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    warn "apt-get could not install: ${missing[*]}. Please install them, then try again."
    exit 1
  fi
fi

if ! have swiftc; then
  warn "Swift 6.2 or later is needed and was found neither on PATH nor in /opt/swift." \
    "Get it from https://www.swift.org/install/linux/ and add its usr/bin to PATH."
  exit 1
fi
