#!/usr/bin/env bash
# Usage: scripts/check-install.sh [BUILD-FOLDER]
# Installs a build (build/) to a temporary folder, moves that, and builds and runs a C program against it
# in each of the usual ways, with no Swift in sight; then again with the tarball. The ways that take long
# are in scripts/check-sources.sh.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source scripts/consumer.sh

build=$(from_caller "${1:-$PWD/build}")
quietly cmake --install "$build" --prefix "$work/first"
mv "$work/first" "$work/moved"

# The library, by the names that the linker, the loader and the packager look for.
library=$(find "$work/moved" -name libnanograd.so)
folder=$(dirname "$library")
soname=$(readelf -dW "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
version=$(sed -nE 's/^#define NG_VERSION_(MAJOR|MINOR|PATCH) +([0-9]+).*/\2/p' include/nanograd.h | paste -sd .)
[[ $(readlink "$library") == "$soname" && $soname == "libnanograd.so.${version%%.*}" &&
  $(readlink "$folder/$soname") == "libnanograd.so.$version" ]] || {
  echo "libnanograd.so does not lead by its SONAME to libnanograd.so.$version:"
  ls -l "$folder"
  exit 1
}
for name in LICENSE README.md CHANGELOG.md abi.md nanograd.3; do
  [[ -n $(find "$work/moved/share" -name "$name") ]] || { echo "$name is not installed."; exit 1; }
done
if grep -rqF -e "$work" -e "$PWD" "$work/moved"; then
  echo "These files name the folder that they were built in or installed to:"
  grep -rlF -e "$work" -e "$PWD" "$work/moved"
  exit 1
fi
echo "works: installing to a folder that moves"

with_pkg_config() { # ROUTE PREFIX COMPILER...
  local route=$1 flags
  PKG_CONFIG_PATH=$(dirname "$(find "$2" -name nanograd.pc)")
  read -ra flags <<<"$(without_swift pkg-config --cflags --libs nanograd)"
  LD_LIBRARY_PATH=$(without_swift pkg-config --variable=libdir nanograd)
  shift 2
  quietly without_swift "$@" -o "$work/user" "$work/main.c" "${flags[@]}"
  arrives "$route" "$work/user"
  PKG_CONFIG_PATH="" LD_LIBRARY_PATH=""
}

PKG_CONFIG_PATH=$folder/pkgconfig quietly without_swift pkg-config --validate nanograd
told=$(PKG_CONFIG_PATH=$folder/pkgconfig without_swift pkg-config --modversion nanograd)
[[ "$told" == "$version" ]] || { echo "pkg-config says $told, nanograd.h $version"; exit 1; }
with_pkg_config "pkg-config with the system's compiler" "$work/moved" cc
for compiler in gcc clang; do
  # Swift brings a Clang, which will do where there is no other; it is no Swift.
  path=$(without_swift bash -c "command -v $compiler" || command -v "$compiler" || true)
  [[ -z "$path" ]] || with_pkg_config "pkg-config with $compiler" "$work/moved" "$path"
done
with_pkg_config "pkg-config with C++" "$work/moved" c++ -x c++

cmake_project "$work/found" <<END
find_package(nanograd 1000 CONFIG QUIET)
if(nanograd_FOUND)
  message(FATAL_ERROR "version 1000 was found")
endif()
find_package(nanograd ${version%.*} CONFIG REQUIRED)
END
quietly without_swift cmake -G Ninja -S "$work/found" -B "$work/found/build" \
  -DCMAKE_PREFIX_PATH="$work/moved"
quietly without_swift cmake --build "$work/found/build"
arrives "find_package in CMake" "$work/found/build/user"

(cd "$build" && quietly cpack -G TGZ -B "$work/packed")
mkdir "$work/unpacked"
tar -xzf "$work"/packed/nanograd-"$version"-*.tar.gz -C "$work/unpacked"
with_pkg_config "the tarball" "$work/unpacked" cc

if have mandoc; then
  mandoc -T lint -W warning docs/nanograd.3 || { echo "docs/nanograd.3 has mistakes."; exit 1; }
  echo "works: the manual page"
fi
