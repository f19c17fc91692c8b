#!/usr/bin/env bash
# Usage: scripts/abi.sh [--update] [HEADER]
# Compares nanograd.h with what abi/ has on record: every function with its signature (nanograd.abi) and
# the version that first had it (functions.txt), every constant with its value (constants.txt). What was
# added is named; what was changed or removed is an error, because programs that are built already count
# on it. --update makes the header the record, after saying how they differ. docs/abi.md has the rules.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

export LC_ALL=C # one order for sort, join and comm
update=0
if [[ "${1:-}" == "--update" ]]; then
  update=1
  shift
fi
header=$(from_caller "${1:-$PWD/include/nanograd.h}")
have abidw || { warn "abidw is missing (in Debian: apt-get install abigail-tools)."; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$header" "$work/nanograd.h"

# The library itself holds no types that a tool for C could read. Its witness does: a library of the
# same declarations, each made a definition. (Swift's compiler holds the exports against the header,
# and scripts/check-library.sh the symbols.)
cc -E -P "$work/nanograd.h" | sed 's/);/) { __builtin_trap(); }/g' >"$work/witness.c"
(
  cd "$work"
  cc -g -shared -fPIC -w witness.c -o witness.so
  abidw --no-show-locs --no-corpus-path --no-comp-dir-path --type-id-style hash witness.so
) >"$work/nanograd.abi"

# Versions are there to change.
cc -E -P -fpreprocessed -dD "$work/nanograd.h" 2>/dev/null | grep -oE '\bNG_[A-Z0-9_]+\b' |
  grep -vE '^NG_(API|VERSION_.*)$' | sort -u >"$work/names"
{
  printf '#include "nanograd.h"\n#include <stdio.h>\nint main(void) {\n'
  sed 's/.*/  printf("%s %.17g\\n", "&", (double)&);/' "$work/names"
  echo '}'
} >"$work/constants.c"
cc "$work/constants.c" -o "$work/constants"
"$work/constants" >"$work/constants.txt"
[[ $(wc -l <"$work/constants.txt") == $(wc -l <"$work/names") ]]

# The first two bits of abidiff's status are failures of its own.
differ() {
  local status=0
  abidiff --harmless --no-architecture "$@" abi/nanograd.abi "$work/nanograd.abi" || status=$?
  ((!(status & 3))) || { warn "abidiff failed with status $status."; exit 1; }
  return "$status"
}

functions() { sed -n "s/.*<elf-symbol name='\([^']*\)'.*/\1/p" "$1" | sort; }

if ((update)); then
  if [[ -e abi/nanograd.abi ]]; then
    differ || true
    diff abi/constants.txt "$work/constants.txt" || true
  fi
  mkdir -p abi
  touch abi/functions.txt
  version=$(sed -nE 's/^#define NG_VERSION_(MAJOR|MINOR|PATCH) +([0-9]+).*/\2/p' "$header" | paste -sd .)
  functions "$work/nanograd.abi" | join -a 1 - abi/functions.txt |
    sed "/ /!s/\$/ $version/" >"$work/functions.txt"
  cp "$work/nanograd.abi" "$work/functions.txt" "$work/constants.txt" abi/
  echo "abi/ has $(wc -l <abi/functions.txt) functions and $(wc -l <abi/constants.txt) constants on record"
  exit 0
fi

failed=0
differ --no-added-syms || failed=1
if lost=$(comm -23 <(sort abi/constants.txt) <(sort "$work/constants.txt")) && [[ -n "$lost" ]]; then
  printf 'These constants are gone or have another value:\n%s\n' "$lost"
  failed=1
fi
if ((failed)); then
  cat <<'END'
Programs that are built against nanograd already would break. Give the changed function a new name and
leave the old one as it was; append constants, and leave the others their values. If no release has
what is lost, or the next one has a new major version, the break may be meant: then say so in
CHANGELOG.md and run scripts/abi.sh --update. docs/abi.md has the rules.
END
  exit 1
fi

added=$(comm -13 <(functions abi/nanograd.abi) <(functions "$work/nanograd.abi")
  comm -13 <(sort abi/constants.txt) <(sort "$work/constants.txt"))
if [[ -n "$added" ]]; then
  printf 'Not on record yet; scripts/abi.sh --update adds:\n%s\n' "$added"
fi
echo "nanograd.h keeps the $(functions abi/nanograd.abi | wc -l) functions and" \
  "$(wc -l <abi/constants.txt) constants that are on record"
