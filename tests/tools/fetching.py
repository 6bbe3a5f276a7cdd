"""Fetches as tests need them: a task from a URL, and many at once in a process whose memory is watched."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.worker_sockets import SocketWatch

# Targets of tests listen on this machine.
LOOPBACK = TaskLimits(ssrf_policy=SsrfPolicy(allow_loopback=True))


def make_task(url: str, **fields: Any) -> Task:
    """A task that differs from a plain one by `fields`."""
    defaults: dict[str, Any] = {
        "id": new_task_id(),
        "timeout": 5.0,
        "max_attempts": 5,
        "retry": RetryPolicy(),
        "created_at": datetime.now(UTC),
    }
    return Task(url=url, **{**defaults, **fields})


@dataclass(frozen=True, kw_only=True)
class ConcurrentFetches:
    """The result of many concurrent fetches: counts by kind, memory."""

    kinds: Counter[OutcomeKind]
    growth_bytes: int


def fetch_concurrently(task: Task, warm_url: str, count: int, **settings: Any) -> ConcurrentFetches:
    """Fetch `task` in `count` threads at once, in a process that does nothing else.

    `warm_url` is fetched first, so that what every handler costs is not counted. `settings` are the policy's.
    """
    watch, network = SocketWatch(), Network()
    policy = FetchSettings(limits=LOOPBACK, store_body_bytes=1024, **settings)
    warm, go = threading.Barrier(count + 1), threading.Barrier(count + 1)
    kinds: list[OutcomeKind] = []

    def work() -> None:
        handler = HttpHandler(policy, watch, network)
        handler.run(AttemptContext(task=make_task(warm_url, timeout=30.0), number=1))
        warm.wait(60)
        go.wait(60)
        outcome = handler.run(AttemptContext(task=task, number=1))
        kinds.append(outcome.kind)
        handler.close()

    watch.start()
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    warm.wait(60)
    _forget_peak()
    before = _memory_bytes("VmRSS")
    go.wait(60)
    for thread in threads:
        thread.join()
    watch.stop()
    return ConcurrentFetches(kinds=Counter(kinds), growth_bytes=_memory_bytes("VmHWM") - before)


def _forget_peak() -> None:
    """By proc(5): the peak is then what the memory is now."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory_bytes(field: str) -> int:
    """From proc(5), not from getrusage: that one's peak is inherited from the parent process."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
