"""A local HTTP server that answers at once, so that a bench measures its client.

Run as `python bench/target.py --port 0 --processes 2`; the first line on stdout is the port. The query of a
request steers its answer: `?delay=0.05` (seconds), `?status=503`, `?size=1000` (bytes of body).

`GET /_count` tells what this process has served since `GET /_reset`: the requests, how many different N of
paths `/t/N` were among them, and the monotonic time of the first and the last. Each process counts alone.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from http import HTTPStatus
from multiprocessing.synchronize import Barrier
from typing import ClassVar, cast
from urllib.parse import parse_qsl

import uvloop

_MAX_HEAD_BYTES = 64 * 1024


class Ledger:
    """What was asked for since the last reset. The questions about it are not counted."""

    def __init__(self) -> None:
        self._reset()

    def answer(self, line: bytes) -> tuple[float, bytes] | None:
        """The answer to a question about the ledger; None for any other request, which is noted."""
        if line.startswith(b"GET /_count "):
            return 0.0, _json_answer(self._count())
        if line.startswith(b"GET /_reset "):
            self._reset()
            return 0.0, _json_answer({})
        self._note(line)
        return None

    def _reset(self) -> None:
        self._requests = 0
        self._numbers: set[int] = set()
        self._first = self._last = 0.0

    def _note(self, line: bytes) -> None:
        self._last = time.monotonic()
        self._first = self._first or self._last
        self._requests += 1
        if (at := line.find(b" /t/")) >= 0:
            number = line[at + 4 :].partition(b" ")[0].partition(b"?")[0]
            if number.isdigit():
                self._numbers.add(int(number))

    def _count(self) -> dict[str, float]:
        return {
            "requests": self._requests,
            "tasks": len(self._numbers),
            "first": self._first,
            "last": self._last,
        }


def _json_answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Target(asyncio.Protocol):
    """One connection: keep-alive, bodies by Content-Length, pipelined requests answered in order."""

    _answers: ClassVar[dict[bytes, tuple[float, bytes]]] = {}
    _ledger: ClassVar[Ledger] = Ledger()

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is None:
            self._serve()

    def _serve(self) -> None:
        self._waiting = None
        while (request := self._take_request()) is not None:
            delay, answer = self._ledger.answer(request) or self._answer(request)
            if delay:
                loop = asyncio.get_running_loop()
                self._waiting = loop.call_later(delay, self._send_late, answer)
                return
            self._send(answer)

    def _send_late(self, answer: bytes) -> None:
        self._send(answer)
        self._serve()

    def _send(self, answer: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _take_request(self) -> bytes | None:
        """The request line of the next complete request, which is taken off what was received."""
        received = self._received
        end = received.find(b"\r\n\r\n")
        if end < 0:
            if len(received) > _MAX_HEAD_BYTES and self._transport is not None:
                self._transport.abort()
            return None
        end += 4
        length = _content_length(received, end)
        if len(received) < end + length:
            return None
        line = bytes(received[: received.find(b"\r\n")])
        del received[: end + length]
        return line

    @classmethod
    def _answer(cls, line: bytes) -> tuple[float, bytes]:
        key = line.partition(b"?")[2] + line[:5]
        known = cls._answers.get(key)
        if known is None:
            if len(cls._answers) > 1000:
                cls._answers.clear()
            known = cls._answers[key] = build_answer(line.decode("latin-1"))
        return known


def build_answer(line: str) -> tuple[float, bytes]:
    """The delay in seconds and the bytes of the answer to a request line."""
    method, _, rest = line.partition(" ")
    query = dict(parse_qsl(rest.rpartition(" ")[0].partition("?")[2]))
    status = HTTPStatus(int(query.get("status", 200)))
    body = b"ok" if "size" not in query else b"x" * int(query["size"])
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: target\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    return float(query.get("delay", 0)), head if method == "HEAD" else head + body


def _content_length(received: bytearray, end: int) -> int:
    head = bytes(received[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    return 0 if at < 0 else int(head[at + 17 : head.index(b"\r\n", at + 2)])


async def _serve_forever(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await loop.create_server(Target, sock=listener, backlog=1024)
    async with server:
        await stopping.wait()


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket of its own per process; SO_REUSEPORT spreads connections over the processes."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


def _run(host: str, port: int, ready: Barrier) -> None:
    listener = _listen(host, port)
    ready.wait(10)
    uvloop.run(_serve_forever(listener))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, printed on stdout")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    listener = _listen(args.host, args.port)
    port = listener.getsockname()[1]
    ready = multiprocessing.Barrier(args.processes)
    others = [
        multiprocessing.Process(target=_run, args=(args.host, port, ready), daemon=True)
        for _ in range(args.processes - 1)
    ]
    for process in others:
        process.start()
    ready.wait(10)
    print(port, flush=True)
    uvloop.run(_serve_forever(listener))
    for process in others:
        process.terminate()
        process.join(5)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
