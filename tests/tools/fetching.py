"""Fetches as tests need them: a task from a URL, and many at once in a process whose memory is watched."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskrunner.domain.limits import Limits
from taskrunner.domain.reach import Reach
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.task import Task, new_task_id
from taskrunner.handlers.base import Attempting
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.line import Watch
from taskrunner.handlers.http.policy import FetchPolicy

# Targets of tests listen on this machine.
LOOPBACK = Limits(reach=Reach(allow_loopback=True))


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


def peak_growth_bytes(warm_url: str, url: str, count: int, timeout: float, max_body_bytes: int) -> int:
    """By how much the memory of this process peaked while it fetched `url` in `count` threads at once.

    Run it in a fresh process: the peak of a process never goes down. `warm_url` is fetched first, so that
    what every handler costs is not counted.
    """
    watch = Watch()
    policy = FetchPolicy(limits=LOOPBACK, max_body_bytes=max_body_bytes, store_body_bytes=1024)
    warm, go = threading.Barrier(count + 1), threading.Barrier(count + 1)

    def work() -> None:
        handler = HttpHandler(policy, watch)
        handler.run(Attempting(task=make_task(warm_url), number=1))
        warm.wait(30)
        go.wait(30)
        handler.run(Attempting(task=make_task(url, timeout=timeout), number=1))
        handler.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    warm.wait(30)
    before = _memory_bytes("VmRSS")
    go.wait(30)
    for thread in threads:
        thread.join()
    return _memory_bytes("VmHWM") - before


def _memory_bytes(field: str) -> int:
    """From proc(5), not from getrusage: that one's peak is inherited from the parent process."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
