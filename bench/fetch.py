"""Compares the fetch with a bare libcurl loop: 50 threads, one local target, all in one run.

Run as `python bench/fetch.py`. Rounds of all contenders alternate and the median of each counts, so that a
machine that slows down does so for all of them. The contenders:

- `bare`: perform, status, body; no headers, no hash, no bounds.
- `bare+headers`: the same with each header line collected, as every fetch that shows headers has to.
- `unguarded`: `HttpHandler.run`, from a task to an outcome, with the address guard taken out.
- `engine`: the same as it is, with every guard on; at most 10 % more is wanted.

`--host localhost` gives the target a name that is looked up, as nearly all targets have, and not an address.

`--cpus 1` keeps this process on one processor. Where every thread waits for the interpreter lock anyway,
handing it over to another processor is what costs most: on a virtual machine with four of them, one alone
made `engine` 1.7 times and `bare+headers` 2.2 times as fast.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from operator import truediv
from pathlib import Path
from unittest.mock import patch

import pycurl

from taskrunner.domain import task_fields
from taskrunner.domain.new_task import new_task_id
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.ssrf_policy import SsrfPolicy
from taskrunner.domain.task import Task
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.url import Url, parse_url
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.profile_engines import ProfileEngines
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.worker_sockets import SocketWatch

# Of the processor time without it.
_WANTED_GUARD = 1.10

Fetch = Callable[[str], None]
POLICY = FetchSettings(limits=TaskLimits(ssrf_policy=SsrfPolicy(allow_loopback=True)))


def bare(collect_headers: bool) -> Fetch:
    curl = pycurl.Curl()
    lines: list[bytes] = []
    chunks: list[bytes] = []
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.TIMEOUT_MS, 30_000)
    curl.setopt(pycurl.WRITEFUNCTION, chunks.append)
    if collect_headers:
        curl.setopt(pycurl.HEADERFUNCTION, lines.append)

    def fetch(url: str) -> None:
        lines.clear()
        chunks.clear()
        curl.setopt(pycurl.URL, url)
        curl.perform()
        assert curl.getinfo(pycurl.RESPONSE_CODE) == 200
        b"".join(chunks)

    return fetch


class Unguarded(SsrfGuard):
    """Lets everything pass; what is left of it is that libcurl is told where to dial."""

    def plan_dial(self, url: Url, patience: float) -> DialPlan:
        return self._routes.get((url.host, url.port)) or super().plan_dial(url, patience)

    def lets_dial(self, route: DialPlan, place: object, patience: float) -> bool:
        return True


@contextmanager
def no_grammar() -> Iterator[None]:
    """URLs are taken as they are inside: nobody reads them but for the host and port that they begin with."""
    known: dict[str, Url] = {}

    def unchecked(text: str, limits: TaskLimits) -> Url:
        start = text[: text.index("?")]
        like = known.get(start) or known.setdefault(start, parse_url(start))
        return Url(text=text, scheme=like.scheme, host=like.host, address=like.address, port=like.port)

    with patch.object(task_fields, "check_url", unchecked):
        yield


def engine(watch: SocketWatch, network: Network, *, guarded: bool) -> Fetch:
    handler = HttpHandler(POLICY, watch, network)
    if not guarded:
        handler._guard = Unguarded(POLICY.limits.ssrf_policy, network, lambda: False)
        handler._engines = ProfileEngines(handler._make_engine)
    created_at, retry = datetime.now(UTC), RetryPolicy()

    def fetch(url: str) -> None:
        task = Task(
            id=new_task_id(), url=url, timeout=30.0, max_attempts=5, retry=retry, created_at=created_at
        )
        outcome = handler.run(AttemptContext(task=task, number=1))
        assert outcome.kind is OutcomeKind.OK, outcome

    return fetch


@contextmanager
def target(processes: int, host: str) -> Iterator[str]:
    """A target of its own; answers its URL by `host`, which ends where the query goes on."""
    script = Path(__file__).with_name("target.py")
    command = [sys.executable, str(script), "--port", "0", "--processes", str(processes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://{host}:{int(process.stdout.readline())}/?"
    finally:
        process.terminate()
        process.wait(10)


def measure(make: Callable[[], Fetch], url: str, *, threads: int, total: int) -> tuple[float, float]:
    """Fetches per second, and microseconds of processor time per fetch in this process."""
    barrier = threading.Barrier(threads + 1)

    def work() -> None:
        fetch = make()
        fetch(url)
        barrier.wait(30)
        for number in range(total // threads):
            fetch(f"{url}&n={number}")
        barrier.wait(300)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait(30)
    started, busy = time.perf_counter(), time.process_time()
    barrier.wait(300)
    elapsed, busy = time.perf_counter() - started, time.process_time() - busy
    for worker in workers:
        worker.join()
    return total / elapsed, busy / total * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=50)
    parser.add_argument("--total", type=int, default=20_000, help="fetches per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--host", default="127.0.0.1", help="of the target: this machine by some name")
    parser.add_argument("--query", default="", help="for the target, such as delay=0.05 or size=10000")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--cpus", type=int, default=0, help="processors for this process; 0 for all")
    args = parser.parse_args()
    watch, network = SocketWatch(), Network()
    watch.start()
    contenders: dict[str, Callable[[], Fetch]] = {
        "bare": lambda: bare(collect_headers=False),
        "bare+headers": lambda: bare(collect_headers=True),
        "unguarded": lambda: engine(watch, network, guarded=False),
        "engine": lambda: engine(watch, network, guarded=True),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    with target(args.processes, args.host) as url:
        if args.cpus:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-args.cpus :])
        for turn in range(args.rounds):
            # Back and forth, so that nobody always comes after the same one.
            for name, make in list(contenders.items())[:: 1 if turn % 2 else -1]:
                with no_grammar() if name == "unguarded" else nullcontext():
                    rate, busy = measure(make, url + args.query, threads=args.threads, total=args.total)
                rates[name].append(rate)
                costs[name].append(busy)
    watch.stop()
    median = {name: statistics.median(values) for name, values in rates.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    for name, rate in median.items():
        print(f"{name:14} {rate:9,.0f} fetches/s  {cost[name]:6.0f} µs CPU each")
    # Of each round by itself: what else the machine does changes from one to the next.
    guard = statistics.median(map(truediv, costs["engine"], costs["unguarded"]))
    print(f"guard {guard - 1:+.1%} CPU, wanted <= +10%: {'PASS' if guard <= _WANTED_GUARD else 'MISS'}")
    print(f"engine/bare {median['engine'] / median['bare']:.2f}")
    print(f"engine/bare+headers {median['engine'] / median['bare+headers']:.2f}")


if __name__ == "__main__":
    main()
