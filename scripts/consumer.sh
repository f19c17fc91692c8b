# What scripts/check-install.sh and scripts/check-sources.sh share: a small program in C that stands for
# our users', and ways to build and run it where there is no Swift. Source it after common.sh.
# shellcheck shell=bash

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/main.c" <<'END'
#include <nanograd.h>
#include <stdio.h>

int main(void) {
  const double weights[] = {1, 2, 3};
  const int64_t shape[] = {3};
  double gradient[3] = {0};
  ng_tensor *w = ng_parameter(NG_FLOAT64, 1, shape, weights, "w");
  ng_backward(ng_ridge(w));
  ng_read(ng_grad(w), gradient, sizeof gradient);
  printf("%g %g %g\n", gradient[0], gradient[1], gradient[2]);
  return ng_error() != NG_OK || ng_version_number() != NG_VERSION_NUMBER;
}
END

# Whoever calls Swift here is found out, wherever it is installed.
mkdir "$work/no-swift"
for tool in swift swiftc swift-frontend; do
  printf '#!/bin/sh\necho "a consumer called %s" >&2\nexit 1\n' "$tool" >"$work/no-swift/$tool"
  chmod +x "$work/no-swift/$tool"
done
without_swift() { # COMMAND..., in an environment that knows nothing of this machine's installations
  env -i HOME="$work" PATH="$work/no-swift:/usr/local/bin:/usr/bin:/bin" \
    ${PKG_CONFIG_PATH:+PKG_CONFIG_PATH="$PKG_CONFIG_PATH"} \
    ${LD_LIBRARY_PATH:+LD_LIBRARY_PATH="$LD_LIBRARY_PATH"} "$@"
}

# Runs a program and says that a route works.
arrives() { # ROUTE COMMAND...
  local route=$1 output
  shift
  output=$(without_swift "$@") && [[ "$output" == "2 4 6" ]] || {
    echo "$route: the program prints \"$output\", expected \"2 4 6\""
    exit 1
  }
  echo "works: $route"
}

# Runs a command and shows what it said only where it failed.
quietly() {
  "$@" >"$work/log" 2>&1 || {
    cat "$work/log"
    echo "failed: $*"
    exit 1
  }
}

# A CMake project with the program; what it takes to have nanograd::nanograd is on stdin.
cmake_project() { # FOLDER
  mkdir -p "$1"
  cp "$work/main.c" "$1/"
  {
    printf 'cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES C)\n'
    cat
    printf 'add_executable(user main.c)\ntarget_link_libraries(user PRIVATE nanograd::nanograd)\n'
  } >"$1/CMakeLists.txt"
}
