#!/usr/bin/env bash
# Usage: scripts/check-install.sh [BUILD-FOLDER]
# Installs a build (build/) to a temporary folder, moves that, and builds and runs a C program against
# it twice: with find_package in CMake, and with pkg-config.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

build=$(from_caller "${1:-$PWD/build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"

cat >"$work/main.c" <<'END'
#include <nanograd.h>
#include <stdio.h>

int main(void) {
  printf("%d\n", (int)ng_version_number());
  return ng_version_number() != NG_VERSION_NUMBER;
}
END
cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(nanograd REQUIRED)
add_executable(user main.c)
target_link_libraries(user PRIVATE nanograd::nanograd)
END

cmake -G Ninja -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/moved" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/user" >/dev/null
echo "find_package(nanograd) works"

pc=$(find "$work/moved" -name nanograd.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
read -ra flags <<<"$(pkg-config --cflags --libs nanograd)"
cc -o "$work/user" "$work/main.c" "${flags[@]}"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir nanograd) "$work/user" >/dev/null
echo "pkg-config nanograd works"

license=$(find "$work/moved" -name LICENSE)
[[ -n "$license" ]] || { echo "The licence is not installed."; exit 1; }
