"""Affinity keeps a process of workers on one processor while tasks are short.

Only one thread at a time can run Python. On several processors each handover of the interpreter lock wakes
another processor, and a short task hands the lock over some ten times: measured, a task costs 0.34 ms of
processor time on one processor and 0.58 ms on four (see `docs/decisions/one-processor.md`). Tasks that
compute outside the lock, as TLS handshakes do, cost more than that and get all processors.
"""

import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from taskrunner.consumer.worker_pool import ProcessInfo, WorkerPool
from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service

INTERVAL = 0.5
# Processor seconds; a task that takes more is not held up by the lock alone.
_SHORT_TASK = 0.001
# Below this share of a processor there is nothing to gain.
_IDLE_SHARE = 0.3
# How much of our processor others may use before we move, and how much idler the new one must be.
_CROWDED_SHARE = 0.25
_BETTER_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Totals up to `moment`: our processor seconds, our finished tasks, each processor's idle seconds."""

    moment: float
    used: float
    finished: int
    idle: Mapping[int, float]


def choose(
    before: Sample, after: Sample, *, allowed: frozenset[int], current: frozenset[int] | None
) -> frozenset[int]:
    """The processors to run on, from what happened between two samples; `current` is None at first."""
    elapsed = after.moment - before.moment
    finished = after.finished - before.finished
    share = (after.used - before.used) / elapsed
    # The current ones need not be allowed: another process may have been bound to ours, too.
    known = allowed | (current or allowed)
    idle = {cpu: (after.idle.get(cpu, 0.0) - before.idle.get(cpu, 0.0)) / elapsed for cpu in known}
    best = max(allowed, key=idle.__getitem__)
    if current is None:
        return frozenset({best})  # tasks count as short until some were seen
    if not finished or share < _IDLE_SHARE:
        return current
    if share * elapsed / finished > _SHORT_TASK:
        return allowed
    if len(current) == 1:
        (own,) = current
        others = 1 - idle[own] - share
        if others < _CROWDED_SHARE or idle[best] < idle[own] + share + _BETTER_SHARE:
            return current
    return frozenset({best})


class Affinity(Service):
    """Measures the processes of a pool twice a second. Linux only."""

    def __init__(self, events: Events, pool: WorkerPool) -> None:
        super().__init__("affinity", events)
        self._allowed = frozenset(os.sched_getaffinity(0))
        self._bindings = [_Binding(process) for process in pool.processes]

    async def turn(self) -> float:
        for binding in self._bindings:
            taken = frozenset().union(*(each.own_processor for each in self._bindings if each is not binding))
            binding.update(self._allowed - taken or self._allowed)
        return INTERVAL


class _Binding:
    """The processors that one process is bound to."""

    def __init__(self, process: ProcessInfo) -> None:
        self._process = process
        self._current: frozenset[int] | None = None
        self._pid: int | None = None
        self._before: Sample | None = None

    @property
    def own_processor(self) -> frozenset[int]:
        """The one processor it is bound to; none while it may use several."""
        return self._current if self._current is not None and len(self._current) == 1 else frozenset()

    def update(self, allowed: frozenset[int]) -> None:
        pid = self._process.pid
        if pid is None:
            return
        if pid != self._pid:
            self._pid, self._before, self._current = pid, None, None
        try:
            self._choose(pid, allowed)
        except OSError as exc:
            # The process has just ended, or there is no descriptor left to look with.
            if exc.errno not in {errno.ENOENT, errno.ESRCH, errno.EMFILE, errno.ENFILE}:
                raise
            self._before = None

    def _choose(self, pid: int, allowed: frozenset[int]) -> None:
        before = self._before
        after = Sample(
            moment=time.monotonic(),
            used=_used_seconds(pid),
            finished=self._process.finished,
            idle=_idle_seconds(),
        )
        if before is not None and after.moment - before.moment < INTERVAL / 2:
            return
        self._before = after
        if before is None:
            return
        chosen = choose(before, after, allowed=allowed, current=self._current)
        if chosen != self._current:
            _move(pid, chosen)
            self._current = chosen


def _used_seconds(pid: int) -> float:
    """Processor seconds of a process since its start (proc_pid_stat(5)); its name may contain spaces."""
    values = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _idle_seconds() -> dict[int, float]:
    """Idle seconds of each processor since the machine started (proc_stat(5))."""
    tick = os.sysconf("SC_CLK_TCK")
    idle: dict[int, float] = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            idle[int(name[3:])] = (int(values[3]) + int(values[4])) / tick
    return idle


def _move(pid: int, cpus: frozenset[int]) -> None:
    """Bind every thread of a process; threads that start later inherit the binding."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(thread), cpus)
        except ProcessLookupError:
            continue  # it has ended meanwhile
