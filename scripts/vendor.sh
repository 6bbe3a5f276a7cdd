#!/usr/bin/env bash
# Fetch the viewer of the API's documentation page into taskrunner/api/web/vendor/. To take another version,
# change VERSION and put the SHA-512 that the registry shows for it (npm view swagger-ui-dist@VERSION dist.integrity)
# into INTEGRITY.
set -euo pipefail
cd "$(dirname "$0")/.."

NAME=swagger-ui-dist
VERSION=5.35.0
INTEGRITY=sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==
FILES=(LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css)
TARGET=taskrunner/api/web/vendor/swagger-ui

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
archive=$scratch/$(cd "$scratch" && npm pack --silent "$NAME@$VERSION")
found=sha512-$(openssl dgst -sha512 -binary "$archive" | base64 --wrap=0)
if [[ $found != "$INTEGRITY" ]]; then
    echo "$NAME $VERSION: expected $INTEGRITY, got $found; nothing was changed" >&2
    exit 1
fi
tar -xzf "$archive" -C "$scratch"
rm -rf "$TARGET"
mkdir -p "$TARGET"
for file in "${FILES[@]}"; do
    # Source maps are not shipped, so nothing may name them.
    sed '/^\(\/\/\|\/\*\)# sourceMappingURL=/d' "$scratch/package/$file" >"$TARGET/$file"
done
cat >"$TARGET/VERSION" <<END
$NAME $VERSION
$INTEGRITY
Apache-2.0, see LICENSE and NOTICE; the licences of the bundled parts are in swagger-ui-bundle.js.LICENSE.txt.
Written by scripts/vendor.sh. SHA-256 of the files:
END
(cd "$TARGET" && sha256sum "${FILES[@]}") >>"$TARGET/VERSION"
