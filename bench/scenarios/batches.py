"""Batches: 10,000 tasks in one request, as an array and as lines."""

import http.client
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from harness.bench import Bench, tell
from harness.child import ChildFailed
from harness.figures import Figure
from harness.ours import Taskrunner
from harness.variants import Embedded

_TASKS = 10_000
_WANTED_SECONDS = 1.5
_TIMEOUT = 60.0


def _array(tasks: Sequence[Any]) -> bytes:
    return json.dumps(tasks).encode()


def _lines(tasks: Sequence[Any]) -> bytes:
    return b"\n".join(json.dumps(task).encode() for task in tasks)


_FORMS: dict[str, tuple[str, Callable[[Sequence[Any]], bytes]]] = {
    "array": ("application/json", _array),
    "lines": ("application/x-ndjson", _lines),
}


def batch(bench: Bench) -> None:
    """POST /tasks/batch, from the first byte of the request to the last one of the answer.

    On the servers nobody runs the tasks. Embedded, the same process does, unless they wait for their time.
    """
    embedded = [each for each in bench.on_sql if isinstance(each, Embedded)]
    for ours, what, delay in (
        (bench.ours, "RabbitMQ and Redis", None),
        *((each, "embedded, delayed", 3600) for each in embedded),
        *((each, "embedded, run at once", None) for each in embedded),
    ):
        for form in _FORMS:
            runs = [_once(bench, ours, form, delay) for _ in range(bench.sizes.repeat)]
            named = f"{_TASKS:,} tasks in one request, {form}, {what}"
            taken, used = [each[0] for each in runs], [each[1] for each in runs]
            bench.figures += [
                Figure(what=named, unit="s", runs=taken, at_most=_WANTED_SECONDS),
                Figure(what="  CPU of the server meanwhile", unit="s", runs=used),
            ]


def _once(bench: Bench, ours: Taskrunner, form: str, delay: int | None) -> tuple[float, float]:
    """How long the answer took, and the CPU seconds of the server until then."""
    bench.backends.reset()
    url = bench.target.pattern(0)
    kind, encode = _FORMS[form]
    body = encode([{"url": url.replace("{n}", str(number)), "delay": delay} for number in range(_TASKS)])
    with ours.serve() as server:
        connection = http.client.HTTPConnection("127.0.0.1", ours.api_port, timeout=_TIMEOUT)
        began, used = time.monotonic(), server.cpu_seconds()
        connection.request("POST", "/tasks/batch", body, {"Content-Type": kind})
        response = connection.getresponse()
        answer = response.read()
        seconds, cpu = time.monotonic() - began, server.cpu_seconds() - used
    tell(f"{ours.name}: {_TASKS:,} tasks in one request ({form}): {seconds:.2f} s, CPU {cpu:.2f} s")
    if response.status != http.client.OK:
        raise ChildFailed(f"POST /tasks/batch was answered with {response.status}: {answer[:200]!r}")
    if (created := sum(item["created"] for item in json.loads(answer)["items"])) != _TASKS:
        bench.lose(f"of {_TASKS} tasks in one request {created} were created")
    return seconds, cpu
