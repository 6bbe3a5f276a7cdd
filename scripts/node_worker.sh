#!/usr/bin/env bash
# Install the locked, hash-checked packages of examples/node-worker, unless they are there already.
set -euo pipefail
cd "$(dirname "$0")/../examples/node-worker"
installed=node_modules/.installed-lock.json

say() { echo "node-worker: $*" >&2; }

for program in node npm; do
    if ! command -v "$program" >/dev/null; then
        say "$program was not found. Install Node.js 18 or newer with npm (Debian, Ubuntu: apt-get install nodejs npm)."
        exit 1
    fi
done
if cmp -s package-lock.json "$installed"; then
    exit
fi
say "installing packages for Node.js $(node --version)"
# Nothing here needs the scripts that packages bring.
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline </dev/null >&2
cp package-lock.json "$installed"
