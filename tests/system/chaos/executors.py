"""The executors of the campaign's traffic: an HTTP executor, and a Python handler."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus

from tests.system.harness.http import Client
from tests.tools.waiting import wait_for

REQUESTED, HANDLED = "chaos_request", "chaos_handler"
# The module with the handler, for the consumers.
HANDLERS = "tests.system.chaos.handlers"
# Seconds that the target takes for a task of either.
DELAY = 0.05


def executors(base: str) -> Mapping[str, Mapping[str, object]]:
    """By name; `base` is the target's URL without a path."""
    url = f"{base}/{{run}}/{{name}}?delay={DELAY}"
    return {
        REQUESTED: {"kind": "http", "method": "GET", "url": url},
        HANDLED: {"kind": "python"},
    }


def ensure_executors(ports: Sequence[int], base: str) -> None:
    """Return once each API takes tasks of both: a fault may have wiped them out of the store."""
    for port in ports:
        with Client(port) as client:
            for name, fields in executors(base).items():
                wait_for(partial(_is_taken, client, name, fields), f"the API takes tasks of {name}")


def _is_taken(client: Client, name: str, fields: Mapping[str, object]) -> bool:
    client.post("/executors", {"name": name, **fields})  # 409 if it is there
    task = {"executor": name, "data": {"run": "r", "name": "n"}}
    return client.post("/tasks?dry_run=true", task).status == HTTPStatus.OK
