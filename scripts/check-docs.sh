#!/usr/bin/env bash
# Usage: scripts/check-docs.sh [BUILD-FOLDER]
# Runs what the documentation shows, against a build (build/): README.md, CONTRIBUTING.md, docs/*.md,
# nanograd.h and its manual page. A mark in the line before a block says what the block is:
#
#   <!-- run -->          shell commands, to be run in the project's root
#   <!-- program -->      a whole program in C or Swift
#   <!-- file: NAME -->   a file for the commands that follow
#   <!-- from: FILE -->   a part of one of our files, but for white space; a line of … leaves some out
#   <!-- not run -->      none of these
#
# A block of `text` or `mermaid` after one that was run is what it has to print. On a page with any mark, each
# block of C, Swift, CMake or shell needs one. Functions and links of ours that a page names must
# exist. In the header and the manual page, a block that has a `main` is a program, and the block after
# it what it has to print. Commands run in a folder of links to the project, so that nothing of it is changed; it stays
# in BUILD-FOLDER/docs for the next time, because building the Swift package anew takes a minute or more.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

root=$PWD
build=$(from_caller "${1:-$PWD/build}")
clone=$build/docs/nanograd
mkdir -p "$clone" "$build/docs/home"
find "$clone" -mindepth 1 -maxdepth 1 ! -type d -delete
for entry in "$root"/*; do
  [[ $(basename "$entry") == build ]] || ln -s "$entry" "$clone/"
done
ln -s "$build" "$clone/build"
warnings=(-Wall -Wextra -Wpedantic -Wno-overlength-strings -Werror)
# Comments may name only what there is.
declared=" $(cc -E -P -fpreprocessed -dD include/nanograd.h 2>/dev/null | grep -oE '\b(ng|NG)_[A-Za-z0-9_]+' |
  sort -u | tr '\n' ' ')"
output=$build/docs/output
failed=0 checked=0

fail() { # LINE TEXT
  echo "$page:$1: $2"
  failed=1
}

# Runs a command, prints what it said where it failed, and keeps what it wrote to stdout.
runs() { # LINE COMMAND...
  local line=$1
  shift
  checked=$((checked + 1))
  if (cd "$clone" && HOME=$build/docs/home "$@") >"$output" 2>"$output.errors" </dev/null; then
    last=ran
  else
    fail "$line" "this does not run:"
    cat "$output" "$output.errors"
  fi
}

compile_and_run() { # LANGUAGE FILE
  case "$1" in
    c)
      cc -std=c11 "${warnings[@]}" -I include "$2" -o "$2.out" -L build/lib -lnanograd \
        -Wl,-rpath,"$build/lib" -lm
      ;;
    swift)
      swiftc -O -module-cache-path "$build/docs/cache" -I build/modules -I Sources/CPlatform \
        "$2" build/modules/*.o -Xlinker --wrap=malloc -Xlinker --wrap=swift_slowAlloc \
        -Xlinker --wrap=swift_slowDealloc -o "$2.out"
      ;;
  esac && "$2.out"
}

squeezed() { tr -s '[:space:]' ' ' <<<"$1" | sed 's/^ //; s/ $//'; }

# Whether the pieces of a quotation stand in a file, in their order.
quotes() { # LINE FILE TEXT
  local line=$1 file=$2 rest piece="" text_line
  if [[ ! -f "$root/$file" ]]; then
    fail "$line" "there is no $file"
    return
  fi
  checked=$((checked + 1))
  rest=$(squeezed "$(<"$root/$file")")
  while IFS= read -r text_line; do
    if [[ $text_line =~ ^[[:space:]/]*…$ ]]; then
      piece=$(squeezed "$piece")
      [[ "$rest" == *"$piece"* ]] || { fail "$line" "$file does not say: $piece"; return; }
      rest=${rest#*"$piece"}
      piece=""
    else
      piece+=$text_line$'\n'
    fi
  done <<<"$3"$'\n…'
}

block() { # LINE LANGUAGE MARK TEXT
  local line=$1 language=$2 mark=$3 text=$4 source
  case "$mark" in
    run) runs "$line" bash -euo pipefail -c "$text" ;;
    program)
      source=$build/docs/program_$line.$language
      printf '%s\n' "$text" >"$source"
      runs "$line" compile_and_run "$language" "$source"
      ;;
    file:*)
      source=${mark#file: }
      if [[ -e $root/$source ]]; then
        fail "$line" "$source is a file of ours"
        return
      fi
      mkdir -p "$(dirname "$clone/$source")"
      printf '%s\n' "$text" >"$clone/$source"
      ;;
    from:*) quotes "$line" "${mark#from: }" "$text" ;;
    "not run") ;;
    "")
      if [[ $language =~ ^(c|swift|cmake|sh)$ ]] && ((marked)); then
        fail "$line" "this block of $language has no mark"
      fi
      ;;
    *) fail "$line" "unknown mark: $mark" ;;
  esac
}

check_names() {
  local number name
  while IFS=: read -r number name; do
    [[ $declared == *" $name "* ]] || fail "$number" "nanograd.h has no $name"
  done < <(grep -noP '(?<![\w/])(ng_[a-z0-9_]*[a-z0-9]|NG_[A-Z0-9_]*[A-Z0-9])(?![\w*…])' "$page")
}

check_page() {
  local number=0 line mark="" last="" language="" begin=0 text="" inside=0 name link marked=0
  ! grep -qE '^<!-- (run|program|from:|file:)' "$page" || marked=1
  while IFS= read -r line; do
    number=$((number + 1))
    if ((inside)); then
      if [[ $line != '```' ]]; then
        text+=${text:+$'\n'}$line
        continue
      fi
      inside=0
      if [[ $language =~ ^(text|mermaid)$ && $last == ran ]]; then
        [[ $(<"$output") == "$text" ]] || {
          fail "$begin" "the block above printed:"
          cat "$output"
        }
      fi
      last="" # `runs` sets it
      block "$begin" "$language" "$mark" "$text"
      mark=""
    elif [[ $line =~ ^\`\`\`([a-z]*)$ ]]; then
      language=${BASH_REMATCH[1]} begin=$number text="" inside=1
    elif [[ $line =~ ^'<!-- '(.*)' -->'$ ]]; then
      mark=${BASH_REMATCH[1]}
    fi
  done <"$page"
  ((!inside)) || fail "$begin" "this block has no end"

  check_names
  while IFS=: read -r number link; do
    link=${link#](} link=${link%)} link=${link%%#*}
    [[ -z $link || $link == http* || -e $(dirname "$page")/$link ]] || fail "$number" "there is no $link"
  done < <(grep -noE '\]\([^) ]+\)' "$page")
}

for page in README.md CONTRIBUTING.md CHANGELOG.md docs/*.md; do
  check_page
done

# The blocks of a manual come on stdin, with a form feed for what is between them.
manual() { # PAGE
  local text expected=0 programs=0
  page=$1 last=""
  while IFS= read -rd $'\f' text; do
    text=$(sed -e '/./,$!d' <<<"$text")
    if ((expected)); then
      [[ -n $text ]] || continue
      [[ $last != ran || $(<"$output") == "$text" ]] || fail 1 "a program prints: $(<"$output")"
      expected=0
    elif [[ $text == *"int main("* ]]; then
      printf '%s\n' "$text" >"$build/docs/manual.c"
      runs 1 compile_and_run c "$build/docs/manual.c"
      expected=1
      programs=$((programs + 1))
    fi
  done
  ((programs && !expected)) || fail 1 "it has no program, or does not say what the last one prints"
  check_names
}
manual include/nanograd.h < <(sed -E 's/^ \*     //; t; s/^ \*$//; t; s/.*/\f/' include/nanograd.h)
manual docs/nanograd.3 < <(sed -E '/^\.Bd -literal/,/^\.Ed/!s/.*/\f/; s/^\.(Bd|Ed).*/\f/; s/\\e/\\/g' \
  docs/nanograd.3)

((failed)) || echo "$checked programs, commands and quotations in the documentation are as they say"
exit "$failed"
