#!/usr/bin/env bash
# Create the virtual environment $1 with the locked, hash-checked packages and this project in editable form.
# Python >= 3.11 is taken from $PYTHON or found; apt installs the venv module if Debian left it out.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

say() { echo "venv: $*" >&2; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" >/dev/null && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed (tried: ${PYTHON:-python3, python3.14 to python3.11}). Name one: make PYTHON=..."
    return 1
}

install_venv_module() {
    local package as_root=()
    package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
        say "this Python has no venv module. Install it (Debian, Ubuntu: apt-get install $package) and try again."
        return 1
    fi
    say "this Python has no venv module: installing $package by apt"
    "${as_root[@]}" apt-get -q update </dev/null >&2 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$package" \
        </dev/null >&2
}

python=$(find_python)
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
say "$("$python" --version) in $venv"
"$python" -m venv --clear "$venv"
locks=(-r requirements/build.txt -r requirements/dev.txt)
# The build tools are already installed by hash, so the build must not fetch others.
editable=(--no-deps --no-build-isolation --editable .)

pip_install() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input install "$@"; }

# Takes a twentieth of pip's time. Where only pip knows a mirror or its certificates, pip installs instead.
# Compiles like pip: otherwise the first start of a command takes eight seconds.
uv_install() { "$venv/bin/uv" --quiet pip install --compile-bytecode --python "$venv/bin/python" "$@"; }

pip_install --require-hashes -r requirements/uv.txt
if ! uv_install --require-hashes "${locks[@]}" || ! uv_install "${editable[@]}"; then
    say "uv could not install the packages, using pip"
    pip_install --require-hashes "${locks[@]}"
    pip_install "${editable[@]}"
fi
"$venv/bin/python" -m compileall -q taskrunner
