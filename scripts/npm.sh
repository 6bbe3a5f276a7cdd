#!/usr/bin/env bash
# Install the locked, hash-checked npm packages of scripts/npm, unless they are there. Debian and Ubuntu get node from apt.
set -euo pipefail
cd "$(dirname "$0")/npm"

say() { echo "npm: $*" >&2; }

stamp=node_modules/.made
if [ -e "$stamp" ] && [ "$stamp" -nt package-lock.json ]; then exit 0; fi
if ! command -v npm >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null; then
        say "npm is missing: install Node.js 20 or newer, which brings it, and try again."
        exit 1
    fi
    say "installing nodejs and npm by apt"
    "${as_root[@]}" apt-get -q update </dev/null >&2 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends nodejs npm </dev/null >&2
fi
say "installing the packages of scripts/npm/package-lock.json"
npm ci --silent </dev/null >&2
touch "$stamp"
