#!/usr/bin/env bash
# Usage: scripts/build.sh [CMAKE-OPTION...]
# Builds the library, the examples and the C tests in build/, for release. Options such as
# -DNANOGRAD_BUILD_TESTS=OFF are handed to CMake; docs/building.md lists them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cmake -G Ninja -S . -B build -DCMAKE_BUILD_TYPE=Release "$@"
cmake --build build
