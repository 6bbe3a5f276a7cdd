#!/usr/bin/env bash
# Write the locks from setup.cfg. UV names the uv to use; UPGRADE=1 takes the newest versions instead of the locked ones.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=${UV:-uv}

compile() {
    "$UV" pip compile --quiet --generate-hashes --universal --python-version 3.11 \
        --no-emit-index-url --custom-compile-command "make lock" ${UPGRADE:+--upgrade} "$@"
}

for tools in build uv compose; do
    compile requirements/$tools.in --output-file requirements/$tools.txt
done
compile setup.cfg --extra dev --output-file requirements/dev.txt
# Beside the packages of dev.txt, so in the same versions.
compile requirements/deploy.in --constraints requirements/dev.txt --output-file requirements/deploy.txt
# Ship what was tested.
compile setup.cfg --constraints requirements/dev.txt --output-file requirements/runtime.txt
