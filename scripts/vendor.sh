#!/usr/bin/env bash
# Write the files of others that the web pages use: taskrunner/api/web/vendor/ and taskrunner/api/web/console/vendor/.
# Versions and SHA-512 hashes stand in scripts/npm/package-lock.json. To take another version, run
# `npm install --save-dev --save-exact NAME@VERSION` in scripts/npm, then this script.
set -euo pipefail
cd "$(dirname "$0")/.."

NPM=scripts/npm
MODULES=$NPM/node_modules
scripts/npm.sh

# version_of NAME, hash_of NAME: from the lock file, which npm has checked the package against.
lock() { node -p "require('./$NPM/package-lock.json').packages['node_modules/$1'].$2"; }

# note FOLDER LICENCE NAME...: what the files of a folder were made from, and their hashes.
note() {
    local folder=$1 licence=$2 name
    shift 2
    {
        for name in "$@"; do echo "$name $(lock "$name" version) $(lock "$name" integrity)"; done
        echo "$licence"
        echo "Written by scripts/vendor.sh. SHA-256 of the files:"
        (cd "$folder" && find . -type f ! -name 'VERSION*' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum)
    } >"$folder/VERSION.new"
    mv "$folder/VERSION.new" "$folder/VERSION"
}

viewer=taskrunner/api/web/vendor/swagger-ui
rm -rf "$viewer"
mkdir -p "$viewer"
for file in LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css; do
    # Source maps are not shipped, so nothing may name them.
    sed '/^\(\/\/\|\/\*\)# sourceMappingURL=/d' "$MODULES/swagger-ui-dist/$file" >"$viewer/$file"
done
note "$viewer" "Apache-2.0, see LICENSE and NOTICE; the licences of the bundled parts are in swagger-ui-bundle.js.LICENSE.txt." \
    swagger-ui-dist

console=taskrunner/api/web/console/vendor
rm -rf "$console"
mkdir -p "$console"
join() { "$MODULES/.bin/esbuild" "$1" --bundle --minify --format=esm --target=es2022 --log-level=warning --outfile="$2"; }
join "$NPM/view.js" "$console/view.js"
cp "$NPM/view.d.ts" "$console/view.d.ts"
join "$MODULES/uplot/dist/uPlot.esm.js" "$console/uplot.js"
echo 'export { default } from "uplot";' >"$console/uplot.d.ts"
for name in preact htm uplot; do cp "$MODULES/$name/LICENSE" "$console/LICENSE.$name"; done
note "$console" "Preact and uPlot: MIT; htm: Apache-2.0. See LICENSE.*." preact htm uplot
