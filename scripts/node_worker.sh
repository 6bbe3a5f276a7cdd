#!/usr/bin/env bash
# Install the locked, hash-checked packages of examples/node-worker, unless they are there already.
set -euo pipefail
cd "$(dirname "$0")"
. ./node.sh
cd ../examples/node-worker
# Nothing here needs the scripts that packages bring.
install_packages --ignore-scripts
