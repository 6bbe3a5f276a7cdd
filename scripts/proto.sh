#!/usr/bin/env bash
# Write the messages of proto/, the client of its services, and the types of both to the folder $1. BIN is where Python is.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")/.."
bin=$(realpath "${BIN:-.venv/bin}")
# protoc finds its plugins for types there.
PATH=$bin:$PATH "$bin/python" -m grpc_tools.protoc --proto_path=proto --python_out="$out" --grpc_python_out="$out" \
    --mypy_out=quiet:"$out" --mypy_grpc_out=quiet:"$out" taskrunner/v1/task_executor.proto
