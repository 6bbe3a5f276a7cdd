"""Worker threads: they run handlers and do nothing else.

A thread takes an attempt from the inbox and hands its outcome to `answer`, which is called in that thread.
Everything else here is for one thread that owns the workers: the event loop's, or a child process's reader.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.inbox import Inbox
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.handlers.base import Handler

# A handler ends by its task's timeout by itself; one that is this much later is not coming back soon.
OVERDUE_GRACE = 2.0
_OVERSLEPT = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the lease was over before a worker began; this attempt does not count",
    counted=False,
)

Work = TypeVar("Work", bound=AssignedAttempt)


class Worker(Generic[Work]):
    """One thread and what it is doing now."""

    def __init__(self, name: str, threads: "WorkerThreads[Work]") -> None:
        self.name = name
        self.current: Work | None = None
        self.written_off = False
        # Daemon: a thread cannot be killed, and one that hangs must not keep the process from ending.
        self.thread = threading.Thread(target=threads.work, args=(self,), name=name, daemon=True)


class WorkerThreads(Generic[Work]):
    """Between 0 and any number of worker threads."""

    def __init__(self, make_handler: Callable[[], Handler], answer: Callable[[Work, Outcome], None]) -> None:
        self._make_handler = make_handler
        self._answer = answer
        self._inbox: Inbox[Work | None] = Inbox()
        self._workers: dict[str, Worker[Work]] = {}
        self._leaving = 0
        self._numbered = 0
        # A worker that leaves strikes itself off, and one that ends late races with being written off.
        self._roll = threading.Lock()

    @property
    def total(self) -> int:
        """Workers that are there to stay."""
        with self._roll:
            return len(self._workers) - self._leaving

    @property
    def present(self) -> int:
        """Workers that are there, those included that will leave once they are idle."""
        return len(self._workers)

    def put(self, work: Work) -> None:
        """Hand an attempt to the next free worker."""
        self._inbox.put(work)

    def resize(self, target: int) -> None:
        """Start workers at once, or let as many leave as are too many, each when it is idle."""
        surplus = self.total - target
        for _ in range(-surplus):
            self._hire()
        for _ in range(surplus):
            with self._roll:
                self._leaving += 1
            self._inbox.put(None)

    def withdraw(self) -> list[Work]:
        """Take back what no worker has begun."""
        items = self._inbox.withdraw()
        taken = [work for work in items if work is not None]
        for _ in range(len(items) - len(taken)):
            self._inbox.put(None)
        return taken

    def write_off_overdue(self) -> list[tuple[str, Work]]:
        """Replace workers that did not end by their deadline; answers their names and attempts."""
        now = time.monotonic()
        written_off: list[tuple[str, Work]] = []
        for worker in list(self._workers.values()):
            work = worker.current
            if work is None or work.ended:
                continue
            overdue = now > work.started + work.context.task.timeout + OVERDUE_GRACE
            if overdue and self._strike_off(worker, work):
                work.context.cancelled = True
                work.elapsed = now - work.started
                self._hire()
                written_off.append((worker.name, work))
        return written_off

    def work(self, worker: Worker[Work]) -> None:
        """The life of a thread; called in it."""
        handler = self._make_handler()
        try:
            while (work := self._inbox.get()) is not None:
                work.started = time.monotonic()
                worker.current = work
                # A process that was stopped between claim and run wakes up with tasks that others have run.
                overslept = work.started >= work.lease_ends
                outcome = _OVERSLEPT if overslept else handler.run(work.context)
                work.elapsed = time.monotonic() - work.started
                # In this order: an attempt must be seen in one place or the other at every moment.
                self._answer(work, outcome)
                with self._roll:
                    worker.current = None
                if worker.written_off:
                    break
        finally:
            handler.close()
            self._forget(worker)

    def _hire(self) -> None:
        self._numbered += 1
        worker = Worker(f"worker-{self._numbered}", self)
        with self._roll:
            self._workers[worker.name] = worker
        worker.thread.start()

    def _strike_off(self, worker: Worker[Work], work: Work) -> bool:
        """Take a worker off the roll, unless it has ended its attempt at the last moment."""
        with self._roll:
            if worker.current is not work:
                return False
            worker.written_off = True
            self._workers.pop(worker.name, None)
            return True

    def _forget(self, worker: Worker[Work]) -> None:
        with self._roll:
            # One that was written off is off the roll already, and took nobody's leave.
            if self._workers.pop(worker.name, None) is not None:
                self._leaving -= 1
