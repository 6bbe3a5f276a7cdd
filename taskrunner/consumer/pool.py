"""The pool: worker threads that run handlers and do nothing else.

Threads touch no state of ours: each takes an attempt from the inbox and leaves an outcome in the outbox.
Everything else here runs on the event loop.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from taskrunner.consumer.inbox import Inbox
from taskrunner.consumer.running import Finished, Running
from taskrunner.domain.events import Events, WorkerWrittenOff
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.handlers.base import Handler

# A handler ends by its task's timeout by itself; one that is this much later is not coming back soon.
OVERDUE_GRACE = 2.0
# The weight of the newest task in the running mean of task times.
_SMOOTHING = 0.05
# Tasks are claimed ahead of free workers for about this long: workers that began together also end together,
# and none of them should have to wait for a claim then.
_AHEAD = 0.05
_OVERSLEPT = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the lease was over before a worker began; this attempt does not count",
    counted=False,
)

MakeHandler = Callable[[], Handler]


class Worker:
    """One thread and what it is doing now."""

    def __init__(self, name: str, pool: "Pool") -> None:
        self.name = name
        self.current: Running | None = None
        self.written_off = False
        # Daemon: a thread cannot be killed, and one that hangs must not keep the process from ending.
        self.thread = threading.Thread(target=pool.work, args=(self,), name=name, daemon=True)


class Pool:
    """Between 0 and any number of workers; `on_finished` gets each attempt's outcome on the event loop."""

    def __init__(
        self, make_handler: MakeHandler, events: Events, on_finished: Callable[[Finished], None]
    ) -> None:
        self._make_handler = make_handler
        self._events = events
        self._on_finished = on_finished
        self._inbox: Inbox[Running | None] = Inbox()
        self._outbox: deque[tuple[Worker, Running, Outcome] | Worker] = deque()
        self._woken = False
        self._workers: dict[str, Worker] = {}
        self._leaving = 0
        self._numbered = 0
        self._task_time: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()
        self.in_flight = 0
        self.finished = 0

    @property
    def total(self) -> int:
        """Workers that are there to stay."""
        return len(self._workers) - self._leaving

    @property
    def busy(self) -> int:
        return min(self.in_flight, len(self._workers))

    @property
    def task_time(self) -> float | None:
        """Mean seconds of an attempt of late; None before the first has ended."""
        return self._task_time

    def room(self) -> int:
        """How many attempts may be claimed now: one per free worker, a few more where tasks are short."""
        ahead = 0
        if self._task_time is not None:
            ahead = min(self.total, int(self.total * _AHEAD / max(self._task_time, 1e-4)))
        return self.total + ahead - self.in_flight

    def submit(self, running: Running) -> None:
        """Hand an attempt to the next free worker."""
        self.in_flight += 1
        self._idle.clear()
        self._inbox.put(running)

    def resize(self, target: int) -> None:
        """Start workers at once, or let as many leave as are too many, each when it is idle."""
        for _ in range(target - self.total):
            self._hire()
        for _ in range(self.total - target):
            self._leaving += 1
            self._inbox.put(None)

    def withdraw(self) -> list[Running]:
        """Take back what no worker has begun."""
        items = self._inbox.withdraw()
        taken = [running for running in items if running is not None]
        for _ in range(len(items) - len(taken)):
            self._inbox.put(None)
        for running in taken:
            self._conclude(running)
        return taken

    def write_off_overdue(self) -> None:
        """Replace workers that did not end by their deadline; their attempts end as timeouts."""
        now = time.monotonic()
        for worker in list(self._workers.values()):
            running = worker.current
            if running is None or running.ended:
                continue
            if now > running.started + running.attempting.task.timeout + OVERDUE_GRACE:
                self._write_off(worker, running)

    def interrupt(self) -> list[Running]:
        """Give up what still runs, without waiting for the threads; their answers will be dropped."""
        self._collect()
        given_up: list[Running] = []
        for worker in self._workers.values():
            running = worker.current
            if running is not None and not running.ended:
                running.attempting.cancelled = True
                self._conclude(running)
                given_up.append(running)
        return given_up

    async def wait_idle(self) -> None:
        """Return once nothing is in flight."""
        await self._idle.wait()

    def close(self) -> None:
        """Let every worker leave when it is idle."""
        self.resize(0)

    def work(self, worker: Worker) -> None:
        """The life of a thread; called in it."""
        handler = self._make_handler()
        try:
            while (running := self._inbox.get()) is not None:
                running.started = time.monotonic()
                worker.current = running
                # A process that was stopped between claim and run wakes up with tasks that others have run.
                overslept = running.started >= running.lease_ends
                outcome = _OVERSLEPT if overslept else handler.run(running.attempting)
                running.elapsed = time.monotonic() - running.started
                # In this order: an attempt must be seen in one place or the other at every moment.
                self._answer((worker, running, outcome))
                worker.current = None
                if worker.written_off:
                    break
        finally:
            handler.close()
            self._answer(worker)

    def _answer(self, answer: tuple[Worker, Running, Outcome] | Worker) -> None:
        self._outbox.append(answer)
        if not self._woken:
            # Reset before the outbox is read: a wake too many is cheap, one too few would hang an attempt.
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                # The loop is closed: the process is ending and nobody is left to hear the answer.
                return

    def _collect(self) -> None:
        self._woken = False
        while self._outbox:
            answer = self._outbox.popleft()
            if isinstance(answer, Worker):
                self._forget(answer)
                continue
            _, running, outcome = answer
            if running.ended:
                continue
            self._measure(running.elapsed)
            self._conclude(running)
            self._on_finished(Finished(running, outcome))

    def _hire(self) -> None:
        self._numbered += 1
        worker = Worker(f"worker-{self._numbered}", self)
        self._workers[worker.name] = worker
        worker.thread.start()

    def _forget(self, worker: Worker) -> None:
        if not worker.written_off:
            self._workers.pop(worker.name, None)
            self._leaving -= 1

    def _write_off(self, worker: Worker, running: Running) -> None:
        task = running.attempting.task
        worker.written_off = True
        running.attempting.cancelled = True
        running.elapsed = time.monotonic() - running.started
        del self._workers[worker.name]
        self._events.emit(
            WorkerWrittenOff(worker=worker.name, task_id=task.id, attempt=running.attempting.number)
        )
        self._hire()
        self._conclude(running)
        outcome = Outcome(
            kind=OutcomeKind.TIMEOUT, error=f"the worker did not end by its deadline of {task.timeout:g} s"
        )
        self._on_finished(Finished(running, outcome))

    def _conclude(self, running: Running) -> None:
        running.ended = True
        self.finished += 1
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    def _measure(self, elapsed: float) -> None:
        mean = self._task_time
        self._task_time = elapsed if mean is None else mean + _SMOOTHING * (elapsed - mean)
