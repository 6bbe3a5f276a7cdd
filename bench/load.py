"""A load generator for POST /tasks: raw kept-alive connections, one request at a time on each.

Run as `python bench/load.py --port 8000 --connections 64 --requests 20000 --task-url URL`; "{n}" in URL
becomes the number of the task. It prints one line of JSON. Latency is from the write of a request to the last
byte of its answer.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

_ACCEPTED = 202
_GIVES_UP_AFTER = 120.0


@dataclass(slots=True)
class LoadFigures:
    """The answers so far; the first `warmup` count as accepted and are in no other figure."""

    requests: int
    warmup: int
    sent: int = 0
    done: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    warm_statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    ended: float = 0.0

    def take(self) -> int | None:
        """The number of the next request, or None when all are sent."""
        if self.sent == self.requests + self.warmup:
            return None
        self.sent += 1
        return self.sent - 1

    def note(self, status: int, latency: float) -> None:
        self.done += 1
        if self.done <= self.warmup:
            self.warm_statuses[status] += 1
            self.began = time.perf_counter()
            return
        self.statuses[status] += 1
        self.latencies.append(latency)
        self.ended = time.perf_counter()

    def report(self) -> dict[str, object]:
        ordered = sorted(self.latencies)
        answers = self.statuses + self.warm_statuses
        return {
            "rate": round(len(ordered) / (self.ended - self.began), 1) if ordered else 0.0,
            "p50_ms": _quantile_ms(ordered, 0.5),
            "p99_ms": _quantile_ms(ordered, 0.99),
            "max_ms": _quantile_ms(ordered, 1.0),
            "accepted": answers[_ACCEPTED],
            "refused": self.sent - answers[_ACCEPTED],
            "statuses": {str(status): count for status, count in sorted(answers.items())},
        }


class Client(asyncio.Protocol):
    """One connection: POST, wait for the whole answer, POST again, until all are sent."""

    def __init__(self, figures: LoadFigures, request: "RequestMaker", finished: asyncio.Future[None]) -> None:
        self._figures = figures
        self._request = request
        self._finished = finished
        self._received = bytearray()
        self._wrote = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._finished.done():
            self._finished.set_exception(exc or ConnectionError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        status = _take_answer(self._received)
        if status is not None:
            self._figures.note(status, time.perf_counter() - self._wrote)
            self._send()

    def _send(self) -> None:
        number = self._figures.take()
        if number is None:
            self._finished.set_result(None)
            self._transport.close()
            return
        self._wrote = time.perf_counter()
        self._transport.write(self._request.make(number))


class RequestMaker:
    """The bytes of a POST of a task, by its number."""

    def __init__(self, host: str, port: int, task_url: str, key: str | None) -> None:
        authorization = f"Authorization: Bearer {key}\r\n" if key else ""
        self._head = (
            f"POST /tasks HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._url = task_url

    def make(self, number: int) -> bytes:
        body = json.dumps({"url": self._url.replace("{n}", str(number))}).encode()
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def _take_answer(received: bytearray) -> int | None:
    """The status of the answer, once complete; it is taken off `received`. Needs a Content-Length."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    length = int(head[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
    if len(received) < end + 4 + length:
        return None
    status = int(head[9:12])
    del received[: end + 4 + length]
    return status


def _quantile_ms(ordered: list[float], quantile: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * quantile))] * 1000, 2)


async def load(host: str, port: int, connections: int, figures: LoadFigures, request: RequestMaker) -> None:
    """Drive all connections until every request is answered or its connection is gone."""
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(partial(Client, figures, request, end), host, port)
    async with asyncio.timeout(_GIVES_UP_AFTER):
        outcomes = await asyncio.gather(*ends, return_exceptions=True)
    if broken := [outcome for outcome in outcomes if outcome is not None]:
        figures.statuses[0] += len(broken)  # each took one request along that has no answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--warmup", type=int, default=0, help="requests before those that are measured")
    parser.add_argument("--task-url", required=True)
    parser.add_argument("--key", help="the API key to send")
    args = parser.parse_args()
    figures = LoadFigures(requests=args.requests, warmup=args.warmup)
    request = RequestMaker(args.host, args.port, args.task_url, args.key)
    uvloop.run(load(args.host, args.port, args.connections, figures, request))
    print(json.dumps(figures.report()), flush=True)


if __name__ == "__main__":
    main()
