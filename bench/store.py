"""Measures a store's hot calls: tasks per second, and what a task costs this process and the server.

    python bench/store.py --store redis --url redis://127.0.0.1:6379 [--tasks 10000] [--sizes 1,50,500]
    python bench/store.py --store sqlite [--url sqlite:////tmp/bench.db] [--busy]
    python bench/store.py --store postgres --url postgresql://postgres@127.0.0.1:5432/postgres

Each size walks fresh tasks through accept, mark_queued, claim, settle, and others through take_due. One
caller, one call at a time: this is the cost of a batch, not the most that a server can take. The last line
of each size has all four calls at once in flight, as in a drain. Redis should run as in production:
appendonly yes, appendfsync everysec; its keys expire within a minute. On SQL the tables are made in the
database that is given, and what the bench wrote is pruned. `--busy` burns Python in a second thread, as busy
workers do. Only Redis tells what it spent itself.
"""

import argparse
import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import uvloop
from redis import Redis

from taskrunner.domain.events import Events
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.outcome import OutcomeKind, Response, Timings
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.stores.base import AttemptRef, NewTask, Settlement, Store
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore

Item = TypeVar("Item")

# What a small JSON API answers with.
_HEADERS = tuple((f"x-header-{number}", "some value") for number in range(6))
_BODY = b'{"status":"ok"}' * 20
_KEEP = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The clocks at one moment, seconds: the wall, this process, Redis in scripts, Redis in all."""

    wall: float
    process: float
    scripts: float
    server: float


class Meter:
    """Reads the clocks of this process; of the server only where it tells."""

    def read(self) -> Reading:
        return Reading(wall=time.perf_counter(), process=time.process_time(), scripts=0.0, server=0.0)

    def memory(self) -> int:
        return 0


class RedisMeter(Meter):
    """Reads the clocks of this process and of Redis."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(url, decode_responses=True)

    def read(self) -> Reading:
        stats = self._redis.info("commandstats")
        cpu = self._redis.info("cpu")
        scripts = [stats.get(f"cmdstat_{name}", {}).get("usec", 0) for name in ("eval", "evalsha")]
        return Reading(
            wall=time.perf_counter(),
            process=time.process_time(),
            scripts=sum(scripts) / 1e6,
            server=cpu["used_cpu_user"] + cpu["used_cpu_sys"],
        )

    def memory(self) -> int:
        return int(self._redis.info("memory")["used_memory"])


def new_task(now: datetime) -> NewTask:
    task = Task(
        id=new_task_id(),
        url="http://target.example/some/path?with=query",
        headers={"accept": "application/json"},
        timeout=30.0,
        max_attempts=5,
        retry=RetryPolicy(),
        created_at=now,
    )
    return NewTask.of(
        task,
        due=now + timedelta(seconds=30),
    )


def settlement(task_id: str, now: datetime) -> Settlement:
    """A success, as the consumer would hand it in; made anew for each, since the bodies differ."""
    attempt = Attempt(
        number=1,
        started_at=now,
        finished_at=now,
        outcome=OutcomeKind.OK,
        status_code=200,
        consumer="host:1234:abcdef",
    )
    result = Response(
        status=200,
        headers=_HEADERS,
        content_type="application/json",
        size_bytes=len(_BODY),
        sha256="0" * 64,
        timings=Timings(total=0.05),
        body=_BODY,
        url="http://target.example/some/path?with=query",
    )
    return Settlement(
        id=task_id, attempt=attempt, status=Status.SUCCEEDED, due=None, error=None, result=result, keep=_KEEP
    )


class Bench:
    """Runs one size after the other and prints a line per call."""

    def __init__(self, store: Store, meter: Meter, tasks: int) -> None:
        self._store = store
        self._meter = meter
        self._tasks = tasks

    async def run(self, size: int) -> None:
        count = self._tasks if size > 1 else self._tasks // 5
        now = datetime.now(UTC)
        lease = now + timedelta(seconds=30)
        tasks = [new_task(now) for _ in range(count)]
        first = [AttemptRef(id=task.id, attempt=1) for task in tasks]
        ends = [settlement(task.id, now) for task in tasks]
        before = self._meter.memory()
        await self._measure("accept", size, tasks, self._store.accept)
        print(f"    memory per queued task: {(self._meter.memory() - before) / count:.0f} bytes")
        await self._measure(
            "mark_queued", size, first, lambda refs: self._store.mark_queued(refs, now=now, due=lease)
        )
        await self._measure(
            "claim",
            size,
            first,
            lambda refs: self._store.claim(refs, now=now, lease_until=lease, consumer="host:1234:abcdef"),
        )
        await self._measure("settle", size, ends, lambda items: self._store.settle(items, now=now))
        print(f"    memory per finished task: {(self._meter.memory() - before) / count:.0f} bytes")
        await self._run_due(size, count, now)
        await self._measure_together(size, count, now)
        while await self._store.prune(now=now + timedelta(days=1), limit=10_000):
            pass

    async def _measure_together(self, size: int, count: int, now: datetime) -> None:
        """Each batch goes its way of four calls; eight batches are under way at a time."""
        lease = now + timedelta(seconds=30)
        left = [new_task(now) for _ in range(count)]
        before = time.perf_counter()

        async def walk() -> None:
            while left:
                batch = [left.pop() for _ in range(min(size, len(left)))]
                refs = [AttemptRef(id=task.id, attempt=1) for task in batch]
                await self._store.accept(batch)
                await self._store.mark_queued(refs, now=now, due=lease)
                await self._store.claim(refs, now=now, lease_until=lease, consumer="bench")
                await self._store.settle([settlement(task.id, now) for task in batch], now=now)

        await asyncio.gather(*(walk() for _ in range(8)))
        wall = time.perf_counter() - before
        print(f"all four     batch {size:4}  {count / wall:9,.0f} tasks/s, eight callers at once", flush=True)

    async def _run_due(self, size: int, count: int, now: datetime) -> None:
        late = now + timedelta(minutes=1)
        tasks = [new_task(now) for _ in range(count)]
        await self._store.accept(tasks)
        turns = list(range(count))
        await self._measure(
            "take_due", size, turns, lambda part: self._store.take_due(now=late, limit=len(part), hold=60.0)
        )
        refs = [AttemptRef(id=task.id, attempt=1) for task in tasks]
        await self._store.claim(refs, now=now, lease_until=late, consumer="bench")
        await self._store.settle([settlement(task.id, now) for task in tasks], now=now)

    async def _measure(
        self,
        name: str,
        size: int,
        items: Sequence[Item],
        call: Callable[[Sequence[Item]], Awaitable[object]],
    ) -> None:
        before = self._meter.read()
        for begin in range(0, len(items), size):
            await call(items[begin : begin + size])
        after = self._meter.read()
        wall = after.wall - before.wall
        costs = [
            (last - first) / len(items) * 1e6
            for first, last in (
                (before.process, after.process),
                (before.scripts, after.scripts),
                (before.server, after.server),
            )
        ]
        print(
            f"{name:12} batch {size:4}  {len(items) / wall:9,.0f} tasks/s   "
            f"Python {costs[0]:6.1f}   scripts {costs[1]:6.1f}   Redis in all {costs[2]:6.1f}   µs per task",
            flush=True,
        )


def make_store(kind: str, url: str) -> tuple[Store, Meter]:
    if kind == "redis":
        settings = RedisSettings(address=url, prefix=f"{{bench-{secrets.token_hex(4)}}}")
        return RedisStore(settings, Events()), RedisMeter(url)
    return SqlStore(SqlSettings(url=url, timeout=60.0), Events()), Meter()


def burn(stop: threading.Event) -> None:
    count = 0
    while not stop.is_set():
        count += 1


async def main(kind: str, url: str, tasks: int, sizes: list[int], *, busy: bool) -> None:
    store, meter = make_store(kind, url)
    if isinstance(store, SqlStore):
        await store.upgrade()
    await store.start()
    await store.wait_ready(10.0)
    print(store.status().details, *store.status().warnings)
    bench = Bench(store, meter, tasks)
    stop = threading.Event()
    if busy:
        threading.Thread(target=burn, args=(stop,), daemon=True).start()
    try:
        for size in sizes:
            await bench.run(size)
    finally:
        stop.set()
        await store.stop()


def run(options: argparse.Namespace) -> None:
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{folder}/bench.db"
        uvloop.run(main(options.store, url, options.tasks, sizes, busy=options.busy))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the hot calls of a store.")
    parser.add_argument("--store", choices=["redis", "sqlite", "postgres"], default="redis")
    parser.add_argument("--url")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--sizes", default="1,50,500")
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    if options.url is None and options.store != "sqlite":
        parser.error(f"--store {options.store} needs --url")
    run(options)
