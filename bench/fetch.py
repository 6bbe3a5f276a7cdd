"""Compares the fetch with a bare libcurl loop: 50 threads, one local target, all in one run.

Run as `python bench/fetch.py`. Rounds of all contenders alternate and the median of each counts, so a machine
that slows down affects all of them. The contenders:

- `bare`: perform, status, body; no headers, no hash, no bounds.
- `bare+headers`: the same with each header line collected, as our fetch has to.
- `unguarded`: `HttpHandler.run`, from a task to an outcome, without the SSRF guard.
- `engine`: the same with the guard, which should cost at most 10 % more.

`--host localhost` gives the target a name, which has to be looked up, instead of an address.

`--cpus 1` keeps this process on one processor. Every thread waits for the interpreter lock anyway, and
handing it to another processor costs most: on a virtual machine with four processors, one alone made `engine`
1.7 times and `bare+headers` 2.2 times as fast.
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

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.targets.url import Url, parse_url
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.profile_engines import ProfileEngines
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.ssrf_guard import DialPlan, SsrfGuard
from taskrunner.handlers.http.worker_sockets import SocketWatch

# The processor time with the guard, as a multiple of that without.
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
    """Allows everything, and only tells libcurl where to dial."""

    def plan_dial(self, url: Url, timeout: float) -> DialPlan:
        return self._plans.get((url.host, url.port)) or super().plan_dial(url, timeout)

    def allows_dial(self, plan: DialPlan, socket_address: object, timeout: float) -> bool:
        return True


@contextmanager
def no_grammar() -> Iterator[None]:
    """Take URLs as they are: only the host and port at their start are parsed."""
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
    """Start a target and yield its URL with `host`, up to the question mark of the query."""
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
    parser.add_argument(
        "--host", default="127.0.0.1", help="of the target: any name or address of this machine"
    )
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
            # Back and forth, so that no contender always follows the same one.
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
    # Compared within each round: what else the machine does changes from one to the next.
    guard = statistics.median(map(truediv, costs["engine"], costs["unguarded"]))
    print(f"guard {guard - 1:+.1%} CPU, wanted <= +10%: {'PASS' if guard <= _WANTED_GUARD else 'MISS'}")
    print(f"engine/bare {median['engine'] / median['bare']:.2f}")
    print(f"engine/bare+headers {median['engine'] / median['bare+headers']:.2f}")


if __name__ == "__main__":
    main()
