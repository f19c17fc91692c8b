#!/usr/bin/env bash
# Usage: scripts/demo.sh [OPTION...]
# From a fresh clone to a trained network: installs the tools that are missing, builds nanograd, finds
# or downloads MNIST, and trains a recurrent network (GRU) on it from a C program. Without MNIST the
# program draws digits of its own. Options go to build/examples/gru_mnist, whose --help lists them.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

heading "Tools"
scripts/install-tools.sh --no-tests
swiftc --version 2>/dev/null | head -n 1

heading "Building nanograd"
scripts/build.sh -DNANOGRAD_BUILD_TESTS=OFF

heading "MNIST"
data=()
if folder=$(scripts/mnist.sh); then
  data=(--data "$folder")
  echo "$folder"
else
  echo "Going on without it: the program draws its own digits."
fi

heading "Training a GRU from C"
mkdir -p build/demo
echo "To watch it, open build/demo/training.html in a browser."
build/examples/gru_mnist "${data[@]}" --watch build/demo/training.html --plot build/demo/gru_mnist.svg \
  --confusion build/demo/confusion.svg --mistakes build/demo/mistakes.svg "$@"

heading "Pictures, in build/demo"
echo "training.html   the page of this training, with all that follows"
echo "gru_mnist.svg   loss and accuracy over its steps"
echo "confusion.svg   which digit is taken for which"
echo "mistakes.svg    the digits that are misread"
