#!/usr/bin/env bash
# Sourced by scripts that install npm packages: one at a time, with Node.js and npm, which Debian and Ubuntu get from apt.

wanted="Node.js 20.19, 22.13 or newer"

say() { echo "npm: $*" >&2; }

is_new_enough() {
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 22 || (a == 22 && b >= 13) || (a == 20 && b >= 19) ? 0 : 1)'
}

install_node() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
        say "npm is missing: install $wanted with npm (https://nodejs.org) and try again."
        return 1
    fi
    say "installing nodejs and npm by apt"
    "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update </dev/null >&2 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
        nodejs npm </dev/null >&2
}

# The packages of the present folder's lock file, with further options for npm.
install_packages() {
    local installed=node_modules/.installed-lock.json
    exec 9>"${TMPDIR:-/tmp}/taskrunner-npm-$(id -u).lock"
    flock 9
    if cmp -s package-lock.json "$installed"; then return; fi
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then install_node; fi
    if ! is_new_enough; then
        say "Node.js $(node --version) is too old: install $wanted (https://nodejs.org)."
        return 1
    fi
    say "installing the packages of $PWD/package-lock.json"
    if ! npm ci --loglevel=error --no-audit --no-fund --prefer-offline "$@" </dev/null >&2; then
        say "npm ci failed: does the registry answer? (npm config get registry)"
        return 1
    fi
    cp package-lock.json "$installed"
}
