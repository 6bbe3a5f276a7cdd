#!/usr/bin/env bash
# Check the console's modules: eslint, and the types in their JSDoc by tsc.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/npm.sh
bin=scripts/npm/node_modules/.bin
"$bin/eslint" --config scripts/npm/eslint.config.js --max-warnings 0 taskrunner/api/web/console
"$bin/tsc" --project scripts/npm/tsconfig.json
