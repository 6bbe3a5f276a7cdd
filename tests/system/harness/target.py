"""The target: an HTTP server in a process of its own, with a ledger of every request.

Run as a program it prints its port on the first line. The query of a request steers its answer:
`delay` (seconds), `hold` (a name: the answer waits until `GET /_release?NAME`), `status`, `size` (bytes of
body), `fail` (attempts up to this number get `status`, or 503, later ones 200), `retry_after` (goes with what
is not 200).

`GET /_ledger` answers the ledger, which is not noted itself; `GET /_ledger?after=N` what came after entry N.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl

import uvloop
from servers.process import end_with_parent

from tests.system.harness.http import Client
from tests.tools.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class Hit:
    """A request of an attempt; `at` is the system clock's. `answered` is False while it waits, and when its
    client left before the answer: at `left`. `sent` is when the answer was."""

    task: str
    attempt: int
    at: float
    answered: bool
    left: float | None = None
    path: str = ""
    sent: float | None = None


class Target:
    """The server's process, and what the test side asks it. `host` is how others reach it."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        # By its module's name, so that it imports what this process imports.
        command = [sys.executable, "-m", __spec__.name, "--host", host, "--port", str(port)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            preexec_fn=end_with_parent,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def url(self, path: str = "/", **query: object) -> str:
        """A URL that is answered as `query` says."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"http://{self.host}:{self.port}{path}{'?' if asked else ''}{asked}"

    def count(self) -> int:
        """How many requests there have been: a mark for `hits`."""
        return int(self._ask("/_ledger?after=-1")["count"])

    def hits(self, after: int = 0) -> list[Hit]:
        """The requests in the order in which they came, without the first `after`."""
        return [Hit(*entry) for entry in self._ask(f"/_ledger?after={after}")["entries"]]

    def release(self, name: str) -> None:
        """Answer the requests that are held by this name, and do not hold later ones."""
        self._ask(f"/_release?{name}")

    def _ask(self, path: str) -> Any:
        with Client(self.port, host=self.host, timeout=PATIENCE) as client:
            return client.get(path).json


@dataclass(slots=True)
class _Request:
    line: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a request is answered: with these bytes, after `delay` seconds and the release of `hold`."""

    answer: bytes
    delay: float = 0.0
    hold: str | None = None


class _Connection(asyncio.Protocol):
    """Keep-alive, bodies by Content-Length, one request at a time."""

    def __init__(self, ledger: list[list[object]], holds: defaultdict[str, asyncio.Event]) -> None:
        self._ledger = ledger
        self._holds = holds
        self._received = bytearray()
        self._waiting: asyncio.Task[None] | None = None
        self._entry = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._ledger[self._entry][4] = time.time()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is None:
            self._serve()

    def _serve(self) -> None:
        self._waiting = None
        while (request := self._take_request()) is not None:
            query = request.line.split(" ")[1].partition("?")
            if query[0] == "/_ledger":
                self._transport.write(self._ledger_answer(query[2]))
                continue
            if query[0] == "/_release":
                self._holds[query[2]].set()
                self._transport.write(_answer(200, b"{}"))
                continue
            attempt = int(request.headers.get("taskrunner-attempt", "0"))
            entry: list[object] = [
                request.headers.get("taskrunner-task-id", ""),
                attempt,
                time.time(),
                False,
                None,
                query[0],
                None,
            ]
            self._entry = len(self._ledger)
            self._ledger.append(entry)
            plan = _plan(query[2], attempt)
            if plan.delay or plan.hold:
                self._waiting = asyncio.get_running_loop().create_task(self._send_late(entry, plan))
                return
            self._send(entry, plan.answer)

    async def _send_late(self, entry: list[object], plan: _Plan) -> None:
        await asyncio.sleep(plan.delay)
        if plan.hold:
            await self._holds[plan.hold].wait()
        self._send(entry, plan.answer)
        self._serve()

    def _send(self, entry: list[object], answer: bytes) -> None:
        if not self._transport.is_closing():
            entry[3], entry[6] = True, time.time()
            self._transport.write(answer)

    def _ledger_answer(self, query: str) -> bytes:
        after = int(dict(parse_qsl(query)).get("after", 0))
        entries = self._ledger[after:] if after >= 0 else []
        return _answer(200, json.dumps({"count": len(self._ledger), "entries": entries}).encode())

    def _take_request(self) -> _Request | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        line, *lines = self._received[:end].decode("latin-1").split("\r\n")
        pairs = (each.partition(":") for each in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        end += 4 + int(headers.get("content-length", "0"))
        if len(self._received) < end:
            return None
        del self._received[:end]
        return _Request(line, headers)


@lru_cache(maxsize=1000)
def _plan(query: str, attempt: int) -> _Plan:
    asked = dict(parse_qsl(query))
    status = int(asked.get("status", "503" if "fail" in asked else "200"))
    if attempt > int(asked.get("fail", attempt)):
        status = 200
    lines = [f"Retry-After: {asked['retry_after']}"] if "retry_after" in asked and status != 200 else []
    body = b"x" * int(asked["size"]) if "size" in asked else b"ok"
    return _Plan(_answer(status, body, lines), float(asked.get("delay", 0)), asked.get("hold"))


def _answer(status: int, body: bytes, lines: list[str] | None = None) -> bytes:
    head = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/plain",
        f"Content-Length: {len(body)}",
        *(lines or []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def _serve_forever(host: str, port: int) -> None:
    ledger: list[list[object]] = []
    holds: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(ledger, holds), host, port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    uvloop.run(_serve_forever(options.host, options.port))


if __name__ == "__main__":
    main()
