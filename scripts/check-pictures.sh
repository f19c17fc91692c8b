#!/usr/bin/env bash
# Usage: scripts/check-pictures.sh [BUILD-FOLDER]
# Trains a small network with build/examples/gru_mnist and looks at its pictures: the page is complete
# whenever it is read and asks to be read again until the training is over, and the drawings are
# well-formed and show what the program printed.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$(from_caller "${1:-$PWD/build}")/examples/gru_mnist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$program" --images 1000 --hidden 32 --batch 8 --steps 1500 --watch "$work/page.html" \
  --plot "$work/plot.svg" --confusion "$work/confusion.svg" --mistakes "$work/mistakes.svg" \
  >"$work/output" 2>"$work/errors" &
training=$!

# The training is over before the program is: pages that ask to be read again are those before that.
going=0
while kill -0 "$training" 2>/dev/null; do
  if [[ -e $work/page.html ]]; then
    page=$(<"$work/page.html")
    [[ $page == '<!DOCTYPE html>'*'</svg>' ]] || { echo "the page is not complete: $page"; exit 1; }
    [[ $page != *'http-equiv="refresh"'* ]] || going=$((going + 1))
  fi
  sleep 0.05
done
wait "$training" || { cat "$work/output" "$work/errors"; exit 1; }
((going)) || { echo "the page never asked to be read again"; exit 1; }
! grep -q 'http-equiv="refresh"' "$work/page.html" || { echo "the last page asks for another"; exit 1; }

python3 - "$work" <<'END'
import re, sys, xml.etree.ElementTree as tree

folder = sys.argv[1]
printed = open(f"{folder}/output").read()
right, of = map(int, re.search(r"test accuracy .*\((\d+) of (\d+)\)", printed).groups())
texts = {}
for name in ["plot", "confusion", "mistakes"]:
    root = tree.parse(f"{folder}/{name}.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg", name
    texts[name] = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    images = len(root.findall("{http://www.w3.org/2000/svg}g"))
assert f"test: {100 * right / of:.2f} %" in texts["plot"], texts["plot"]
counts = [int(text) for text in texts["confusion"] if text.isdigit()]
assert sum(counts) - 2 * sum(range(10)) == of, texts["confusion"]  # the digits name rows and columns
assert texts["mistakes"][0] == f"{of - right} of {of} images are misread", texts["mistakes"]
assert images == min(of - right, 60), images
page = open(f"{folder}/page.html").read()
assert page.count("<svg") == page.count("</svg>") == 3
END
echo "the page was read $going times while the training went on; all pictures are as they should be"
