#!/usr/bin/env bash
# Usage: scripts/test-languages.sh [LANGUAGE...]
# Builds and runs bindings/examples against build/lib/libnanograd.so, or the one that NANOGRAD_LIBRARY
# names: c++ rust luajit ruby go java swift, or those given. Each has to print the same losses as the C
# program in all digits, the library's own message, and to leave no handle behind (where there is a
# collector: few of a thousand). Installs what is missing from Debian; what cannot be had is skipped.
# Swift builds the package anew, which takes minutes; the others take seconds.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$PWD
examples=$root/bindings/examples
work=$root/build/languages
mkdir -p "$work"
[[ -z ${NANOGRAD_LIBRARY:-} ]] || NANOGRAD_LIBRARY=$(from_caller "$NANOGRAD_LIBRARY")
library=${NANOGRAD_LIBRARY:-$root/build/lib/libnanograd.so}
[[ -e $library ]] || scripts/build.sh -DNANOGRAD_BUILD_TESTS=OFF -DNANOGRAD_BUILD_BENCH=OFF
export NANOGRAD_LIBRARY=$library
# Under the names that linkers and loaders look for, whatever the file is called.
mkdir -p "$work/lib"
ln -sf "$library" "$work/lib/libnanograd.so"
ln -sf "$library" "$work/lib/libnanograd.so.0"
linked=(-I "$root/include" -L "$work/lib" -lnanograd "-Wl,-rpath,$work/lib")
warnings=(-Wall -Wextra -Wpedantic -Werror)

# needs COMMAND PACKAGE: installs the package if there is no such command.
needs() {
  have "$1" && return
  local as_root=()
  [[ $(id -u) == 0 ]] || as_root=(sudo)
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  echo "Installing $2"
  { "${apt[@]}" update || true; "${apt[@]}" install -y --no-install-recommends "$2"; } >"$work/apt.log" 2>&1 &&
    have "$1"
}

need_c() { needs cc gcc; }
run_c() {
  cc -std=c11 "${warnings[@]}" "$examples/c/logistic.c" -o "$work/c" "${linked[@]}" && "$work/c"
}
need_c++() { needs g++ g++; }
run_c++() {
  g++ -std=c++17 "${warnings[@]}" "$examples/cpp/logistic.cpp" -o "$work/cpp" "${linked[@]}" && "$work/cpp"
}
need_rust() { needs rustc rustc; }
run_rust() {
  rustc --edition 2021 -O -D warnings -L "$work/lib" -C "link-args=-Wl,-rpath,$work/lib" \
    "$examples/rust/logistic.rs" -o "$work/rust" && "$work/rust"
}
need_luajit() { needs luajit luajit; }
run_luajit() { luajit "$examples/luajit/logistic.lua"; }
need_ruby() { needs ruby ruby; }
run_ruby() { ruby -W "$examples/ruby/logistic.rb"; }
need_go() { needs go golang-go; }
run_go() {
  (cd "$examples/go" && CGO_CFLAGS="-I$root/include" CGO_LDFLAGS="-L$work/lib -Wl,-rpath,$work/lib" \
    GOPROXY=off GOFLAGS=-buildvcs=false GOCACHE="$work/gocache" go build -o "$work/go" .) && "$work/go"
}
need_java() { needs javac default-jdk-headless; }
run_java() {
  local home
  home=$(dirname "$(dirname "$(realpath "$(command -v javac)")")")
  cc -std=c11 -Wall -Wextra -Wno-unused-parameter -Werror -shared -fPIC -I "$home/include" \
    -I "$home/include/linux" "$examples/java/nanograd.c" -o "$work/lib/libnanograd_jni.so" "${linked[@]}" &&
    javac -Xlint:all,-try -Werror -d "$work/java" -sourcepath "$examples/java" "$examples/java/Logistic.java" &&
    java -Xcheck:jni -Djava.library.path="$work/lib" -cp "$work/java" Logistic
}
need_swift() { have swift; }
run_swift() {
  swift build -c release -j 2 --package-path "$examples/swift" --scratch-path "$work/swift" >&2 &&
    "$work/swift/release/logistic"
}

# What has to be equal; the Swift package's functions have no prefix.
losses() { grep '^step' "$1"; }
message() { sed -nE 's/^error: (ng_)?//p' "$1"; }

languages=("$@")
((${#languages[@]})) || languages=(c++ rust luajit ruby go java swift)
for language in "${languages[@]}"; do
  [[ $(type -t "run_$language") == function ]] || { warn "There is no $language; --help lists them."; exit 1; }
done
need_c || { tail -n 20 "$work/apt.log" >&2; exit 1; }
run_c | tee "$work/c.txt"
[[ $(losses "$work/c.txt" | wc -l) == 3 && -n $(message "$work/c.txt") ]] || {
  warn "The C program does not print what the others are compared with."
  exit 1
}

failed=0 passed=0 table=()
for language in "${languages[@]}"; do
  heading "$language"
  output=$work/$language.txt
  if ! "need_$language"; then
    echo "skipped: it is not here and cannot be installed"
    table+=("$(printf '%-8s skipped' "$language")")
    continue
  fi
  result=passed
  "run_$language" >"$output" 2>"$work/$language.log" || result="FAILED: it does not run"
  cat "$output"
  alive=$(sed -n 's/^handles alive: //p' "$output")
  case "$language" in
    swift) most=0 alive=${alive:-0} ;; # it has no handles
    c | c++ | rust) most=0 ;;
    *) most=99 ;;
  esac
  if [[ $result == passed ]]; then
    if [[ $(losses "$output") != "$(losses "$work/c.txt")" ]]; then
      result="FAILED: the losses are not those of the C program"
    elif [[ $(message "$output") != "$(message "$work/c.txt")" ]]; then
      result="FAILED: the message is not the library's"
    elif grep -q '^WARNING' "$output"; then
      result="FAILED: -Xcheck:jni warns"
    elif [[ ! $alive =~ ^[0-9]+$ ]] || ((alive > most)); then
      result="FAILED: ${alive:-?} handles are left"
    fi
  fi
  if [[ $result == passed ]]; then
    passed=$((passed + 1))
  else
    tail -n 20 "$work/$language.log" >&2
    failed=1
  fi
  table+=("$(printf '%-8s %s' "$language" "$result")")
done

heading "Languages"
printf '%s\n' "${table[@]}"
echo "$passed languages passed"
exit "$failed"
