"""WorkerThreads run handlers and do nothing else.

A thread takes an attempt from the inbox and passes its outcome to `on_outcome`, which is called in that
thread. All other methods are for the one thread that owns the workers: the event loop's, or the main thread
of a child process.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.inbox import Inbox
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.handlers.base import Handler

# A handler ends within its task's timeout; one that is this many seconds late is not coming back soon.
OVERDUE_GRACE = 2.0
_LEASE_OVER = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the lease was over before a worker began; this attempt does not count",
    counted=False,
)

Assigned = TypeVar("Assigned", bound=AssignedAttempt)


class Worker(Generic[Assigned]):
    """One thread and its current attempt."""

    def __init__(self, name: str, threads: "WorkerThreads[Assigned]") -> None:
        self.name = name
        self.current: Assigned | None = None
        self.written_off = False
        # Daemon: a thread cannot be killed, and one that hangs must not keep the process from ending.
        self.thread = threading.Thread(target=threads.run_worker, args=(self,), name=name, daemon=True)


class WorkerThreads(Generic[Assigned]):
    """Any number of worker threads."""

    def __init__(
        self, make_handler: Callable[[], Handler], on_outcome: Callable[[Assigned, Outcome], None]
    ) -> None:
        self._make_handler = make_handler
        self._on_outcome = on_outcome
        self._inbox: Inbox[Assigned | None] = Inbox()
        self._workers: dict[str, Worker[Assigned]] = {}
        self._leaving = 0
        self._last_number = 0
        # A leaving worker removes itself, and one that ends late races with being written off.
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """Workers, without those that will leave once they are idle."""
        with self._lock:
            return len(self._workers) - self._leaving

    @property
    def present(self) -> int:
        """Workers, with those that will leave once they are idle."""
        return len(self._workers)

    def put(self, attempt: Assigned) -> None:
        """Hand an attempt to the next free worker."""
        self._inbox.put(attempt)

    def resize(self, target: int) -> None:
        """Start missing workers at once; let surplus ones leave, each when it is idle."""
        surplus = self.total - target
        for _ in range(-surplus):
            self._start_worker()
        for _ in range(surplus):
            with self._lock:
                self._leaving += 1
            self._inbox.put(None)

    def withdraw(self) -> list[Assigned]:
        """Take back the attempts that no worker has begun."""
        items = self._inbox.withdraw()
        taken = [attempt for attempt in items if attempt is not None]
        for _ in range(len(items) - len(taken)):
            self._inbox.put(None)
        return taken

    def write_off_overdue(self) -> list[tuple[str, Assigned]]:
        """Replace workers that did not end by their deadline; returns their names and attempts."""
        now = time.monotonic()
        written_off: list[tuple[str, Assigned]] = []
        for worker in list(self._workers.values()):
            attempt = worker.current
            if attempt is None or attempt.ended:
                continue
            overdue = now > attempt.started + attempt.task.timeout + OVERDUE_GRACE
            if overdue and self._write_off(worker, attempt):
                attempt.cancelled = True
                attempt.elapsed = now - attempt.started
                self._start_worker()
                written_off.append((worker.name, attempt))
        return written_off

    def run_worker(self, worker: Worker[Assigned]) -> None:
        """The body of a worker's thread."""
        handler = self._make_handler()
        try:
            while (attempt := self._inbox.get()) is not None:
                attempt.started = time.monotonic()
                worker.current = attempt
                # A process that was stopped between claim and run wakes up with tasks that others have run.
                lease_over = attempt.started >= attempt.lease_ends
                outcome = _LEASE_OVER if lease_over else handler.run(attempt)
                attempt.elapsed = time.monotonic() - attempt.started
                # In this order: an attempt must be seen in one place or the other at every moment.
                self._on_outcome(attempt, outcome)
                with self._lock:
                    worker.current = None
                if worker.written_off:
                    break
        finally:
            handler.close()
            self._remove(worker)

    def _start_worker(self) -> None:
        self._last_number += 1
        worker = Worker(f"worker-{self._last_number}", self)
        with self._lock:
            self._workers[worker.name] = worker
        worker.thread.start()

    def _write_off(self, worker: Worker[Assigned], attempt: Assigned) -> bool:
        """Returns False for a worker that has ended the attempt at the last moment."""
        with self._lock:
            if worker.current is not attempt:
                return False
            worker.written_off = True
            self._workers.pop(worker.name, None)
            return True

    def _remove(self, worker: Worker[Assigned]) -> None:
        with self._lock:
            # A worker that was written off is removed already and is not one of those asked to leave.
            if self._workers.pop(worker.name, None) is not None:
                self._leaving -= 1
