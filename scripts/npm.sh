#!/usr/bin/env bash
# Install the locked, hash-checked npm packages of scripts/npm, unless they are there already.
set -euo pipefail
cd "$(dirname "$0")"
. ./node.sh
cd npm
install_packages
