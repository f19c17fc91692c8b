#!/usr/bin/env bash
# Usage: scripts/mnist.sh
# Prints the folder that holds the MNIST images: $NANOGRAD_MNIST if that is set, otherwise
# data/mnist, to which the four files (11 MB) are first downloaded if need be. Every download is
# checked against the digest of the original file. Exits with status 3 if there are none to be had.

source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# SHA-256 of the uncompressed files, as LeCun, Cortes and Burges published them.
declare -A digests=(
  [train-images-idx3-ubyte]=ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
  [train-labels-idx1-ubyte]=65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
  [t10k-images-idx3-ubyte]=0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
  [t10k-labels-idx1-ubyte]=ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
)
mirrors=(
  https://ossci-datasets.s3.amazonaws.com/mnist
  https://storage.googleapis.com/cvdf-datasets/mnist
  https://azureopendatastorage.blob.core.windows.net/mnist
  https://raw.githubusercontent.com/fgnt/mnist/master
)

complete() {
  local name
  for name in "${!digests[@]}"; do
    [[ -r "$1/$name.gz" ]] || return 1
  done
}

fetch() { # URL FILE
  if have curl; then
    curl --fail --silent --location --connect-timeout 5 --max-time 180 --output "$2" "$1"
  else
    wget --quiet --tries=1 --timeout=10 --output-document="$2" "$1"
  fi
}

if [[ -n "${NANOGRAD_MNIST:-}" ]]; then
  if ! complete "$NANOGRAD_MNIST"; then
    warn "NANOGRAD_MNIST is $NANOGRAD_MNIST, which does not hold the four files of MNIST (*-ubyte.gz)."
    exit 3
  fi
  echo "$NANOGRAD_MNIST"
  exit 0
fi
if complete data/mnist; then
  echo "$PWD/data/mnist"
  exit 0
fi

mkdir -p data
partial=$(mktemp -d data/.mnist.XXXXXX)
trap 'rm -rf "$partial"' EXIT
answered="" # the mirror to ask first
for name in "${!digests[@]}"; do
  found=""
  for mirror in ${answered:+"$answered"} "${mirrors[@]}"; do
    warn "Fetching $name.gz from ${mirror#https://}"
    if fetch "$mirror/$name.gz" "$partial/$name.gz" &&
      [[ "$(gzip -dc "$partial/$name.gz" 2>/dev/null | sha256sum)" == "${digests[$name]} "* ]]; then
      found=$mirror
      break
    fi
  done
  if [[ -z "$found" ]]; then
    warn "MNIST is not here and could not be downloaded. With the four files (*-ubyte.gz) in some" \
      "folder, set NANOGRAD_MNIST to it."
    exit 3
  fi
  answered=$found
done
mkdir -p data/mnist
chmod 644 "$partial"/*.gz
mv "$partial"/*.gz data/mnist/
echo "$PWD/data/mnist"
