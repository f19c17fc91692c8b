#!/usr/bin/env bash
# Usage: scripts/package.sh [FOLDER]
# Builds nanograd for release in build-package/ and puts packages into FOLDER (packages/): a tarball that
# can be unpacked anywhere, and on Debian and its relatives libnanograd0 and libnanograd-dev.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mkdir -p "${1:-packages}"
folder=$(from_caller "${1:-$PWD/packages}")
pack() { # GENERATOR LIBRARY-FOLDER
  # What is compiled does not depend on the folder, so the second time nothing is.
  cmake -G Ninja -S . -B build-package -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
    -DCMAKE_INSTALL_LIBDIR="$2" -DNANOGRAD_BUILD_EXAMPLES=OFF -DNANOGRAD_BUILD_TESTS=OFF \
    -DNANOGRAD_BUILD_BENCH=OFF >/dev/null
  cmake --build build-package
  (cd build-package && cpack -G "$1" -B "$folder")
}

if have dpkg-shlibdeps; then
  pack DEB "lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
else
  warn "No Debian packages: dpkg-shlibdeps (in dpkg-dev) is not here."
fi
pack TGZ lib
rm -rf "$folder/_CPack_Packages"
heading "Packages"
ls -lh "$folder"
