#!/usr/bin/env bash
# Usage: scripts/check-sources.sh [WAY...]
# Builds nanograd from a tagged clone in the ways that its users do, each time with a small program that
# uses it, outside this folder. All but the first compile it with optimisation; they take minutes each.
#
#   subdirectory   CMake, add_subdirectory (a debug build)
#   fetchcontent   CMake, FetchContent from the tag
#   swiftpm        a Swift package that depends on the tag
#   debian         Debian packages: lintian without a warning, installing (root only), using, removing
#
# Without arguments, all of them. docs/building.md names this script; scripts/test.sh does not run it.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
source scripts/consumer.sh

# What is not committed is to be tested too, so the tag is on a commit of this folder as it is.
version=$(sed -nE 's/^#define NG_VERSION_(MAJOR|MINOR|PATCH) +([0-9]+).*/\2/p' include/nanograd.h | paste -sd .)
clone=$work/nanograd
mkdir "$clone"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -rd '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done |
  tar -c --null -T - | tar -x -C "$clone"
(
  cd "$clone"
  identity=(-c user.name=check -c user.email=check@localhost)
  quietly git init -b main
  quietly git add -A
  quietly git "${identity[@]}" commit -m "As it is"
  quietly git "${identity[@]}" tag -a "v$version" -m "v$version"
)
swiftc=$(command -v swiftc)

# The library is compiled with Swift, the program is not: CMake is told where Swift is.
cmake_builds() { # WAY BUILD-TYPE
  quietly without_swift cmake -G Ninja -S "$work/$1" -B "$work/$1/build" -DCMAKE_BUILD_TYPE="$2" \
    -DNANOGRAD_SWIFTC="$swiftc"
  quietly without_swift cmake --build "$work/$1/build" --parallel 2
  arrives "$1" "$work/$1/build/user"
  # A project that uses it does not get its tests, its examples or its installation.
  quietly without_swift cmake --install "$work/$1/build" --prefix "$work/$1/installed"
  [[ -z $(find "$work/$1/installed" -type f 2>/dev/null) ]] || {
    echo "$1: installing the project installs nanograd without being asked"
    exit 1
  }
}

try_subdirectory() {
  cmake_project "$work/subdirectory" <<<"add_subdirectory(nanograd)"
  ln -s "$clone" "$work/subdirectory/nanograd"
  cmake_builds subdirectory Debug
}

try_fetchcontent() {
  cmake_project "$work/fetchcontent" <<END
include(FetchContent)
FetchContent_Declare(nanograd GIT_REPOSITORY file://$clone GIT_TAG v$version)
FetchContent_MakeAvailable(nanograd)
END
  cmake_builds fetchcontent Release
}

try_swiftpm() {
  mkdir -p "$work/swiftpm/Sources/user"
  cat >"$work/swiftpm/Package.swift" <<END
// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "user",
  dependencies: [.package(url: "file://$clone", from: "$version")],
  targets: [
    .executableTarget(
      name: "user", dependencies: [.product(name: "Nanograd", package: "nanograd")])
  ])
END
  cat >"$work/swiftpm/Sources/user/main.swift" <<'END'
import Nanograd

let w = try Tensor(parameter: [1, 2, 3] as [Double], [3], tag: "w")
let slope = try gradients(of: ridge(w), withRespectTo: [w])[0]
print(try (0..<3).map { String(Int(try select(slope, axis: 0, index: $0).item())) }.joined(separator: " "))
END
  quietly swift build -c release -j 2 --package-path "$work/swiftpm" --cache-path "$work/cache"
  arrives swiftpm "$work/swiftpm/.build/release/user"
}

# As root on a machine that has none of it, the packages are installed and removed again.
try_debian() {
  local name
  scripts/install-tools.sh --packages
  (cd "$clone" && quietly scripts/package.sh "$work/packages")
  ls "$work/packages"
  quietly lintian --allow-root --fail-on error,warning "$work"/packages/*.deb
  if [[ $(id -u) != 0 ]] || dpkg -s libnanograd-dev libnanograd0 >/dev/null 2>&1; then
    echo "not tried: installing the packages, for want of root or because they are installed"
    return
  fi
  trap 'dpkg --purge libnanograd-dev libnanograd0 >/dev/null 2>&1; rm -rf "$work"' EXIT
  quietly dpkg -i "$work"/packages/*.deb
  quietly without_swift cc "$work/main.c" -o "$work/user" -lnanograd
  arrives "debian" "$work/user"
  quietly without_swift pkg-config --exact-version "$version" nanograd
  cmake_project "$work/debian" <<<"find_package(nanograd ${version%.*} CONFIG REQUIRED)"
  quietly without_swift cmake -G Ninja -S "$work/debian" -B "$work/debian/build"
  quietly without_swift cmake --build "$work/debian/build"
  arrives "debian, find_package" "$work/debian/build/user"
  # What a package of the program would depend on.
  mkdir "$work/debian/debian"
  printf 'Source: user\n\nPackage: user\nArchitecture: any\n' >"$work/debian/debian/control"
  (cd "$work/debian" && dpkg-shlibdeps -O build/user 2>/dev/null) | grep -F "libnanograd0 (>= $version)" || {
    echo "A package of the program would not depend on libnanograd0 (>= $version)."
    exit 1
  }
  mapfile -t files < <(dpkg -L libnanograd0 libnanograd-dev | grep nanograd)
  quietly dpkg --purge libnanograd-dev libnanograd0
  for name in "${files[@]}"; do
    [[ ! -e $name ]] || { echo "Removing the packages leaves $name."; exit 1; }
  done
  echo "works: debian, removing"
}

ways=("$@")
((${#ways[@]})) || ways=(subdirectory fetchcontent swiftpm debian)
for way in "${ways[@]}"; do
  [[ $(type -t "try_$way") == function ]] || { warn "There is no way $way; --help lists them."; exit 1; }
done
for way in "${ways[@]}"; do
  started=$SECONDS
  "try_$way"
  echo "$way took $((SECONDS - started)) s"
done
