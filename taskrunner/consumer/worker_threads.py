"""WorkerThreads run handlers and do nothing else.

A thread takes an attempt from the inbox and passes its outcome to `on_outcome`, which is called in that
thread. All other methods are for the one thread that owns the workers: the event loop's, or the main thread
of a child process.
"""

import logging
import math
import threading
import time
from _thread import LockType
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.handlers.base import AttemptContext, Handler

# A handler ends within its task's timeout; one that is this many seconds late is not coming back soon.
OVERDUE_GRACE = 2.0
_LEASE_OVER = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the lease was over before a worker began; this attempt does not count",
    counted=False,
)

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class AssignedAttempt(AttemptContext):
    """What a worker needs to know about an attempt and what it records.

    `started` is the worker's monotonic time, 0 before a worker began. `lease_ends` is on the same clock: no
    worker begins after it, since another consumer may have claimed the task. The owner of the workers sets
    `ended` with the first outcome and drops later ones. `ticket` is the owner's number for the attempt.
    `told` is the progress that was passed on last.
    """

    lease_ends: float = math.inf
    started: float = 0.0
    elapsed: float = 0.0
    ended: bool = False
    ticket: int = 0
    told: Progress | None = None


Item = TypeVar("Item")
Assigned = TypeVar("Assigned", bound=AssignedAttempt)


class Inbox(Generic[Item]):
    """A queue with one putting thread and many taking ones: the last to fall idle gets the next item.

    Where tasks are short a few threads do all the work, with warm caches and connections, and the others
    sleep. To wake all fifty for a burst would cost more in handovers of the interpreter lock than the fetches
    do. So `put` wakes at most one thread, and a thread that takes one of several items wakes the next before
    it begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._idle: list[LockType] = []
        self._waking = False

    def put(self, item: Item) -> None:
        with self._lock:
            self._items.append(item)
            sleeper = self._next_sleeper()
        if sleeper is not None:
            sleeper.release()

    def get(self) -> Item:
        """The next item; sleeps until there is one."""
        own = threading.Lock()
        own.acquire()
        while True:
            with self._lock:
                if self._items:
                    item = self._items.popleft()
                    sleeper = self._next_sleeper() if self._items else None
                    break
                self._idle.append(own)
            own.acquire()
            # We were the thread being woken; the next one may be woken now.
            self._waking = False
        if sleeper is not None:
            sleeper.release()
        return item

    def withdraw(self) -> list[Item]:
        """Everything that nobody has taken."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
        return items

    def _next_sleeper(self) -> LockType | None:
        """The thread to wake, unless one is being woken already. Call under the lock."""
        if self._waking or not self._idle:
            return None
        self._waking = True
        return self._idle.pop()


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
        """Start missing workers at once; let surplus ones leave, each when it is idle.

        If the machine has no thread left, the next call tries again.
        """
        surplus = self.total - target
        for _ in range(-surplus):
            if not self._start_worker():
                break
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
        try:
            handler = self._make_handler()
        except Exception as exc:  # noqa: BLE001 - the boundary; the next resize starts another worker
            _log.error("cannot make the handler of %s: %s", worker.name, type(exc).__name__)
            with self._lock:
                self._workers.pop(worker.name, None)
            return
        is_asked_to_leave = False
        try:
            while (attempt := self._inbox.get()) is not None:
                attempt.started = time.monotonic()
                worker.current = attempt
                # A process that was stopped between claim and run wakes up with tasks that others have run.
                lease_over = attempt.started >= attempt.lease_ends
                outcome = _LEASE_OVER if lease_over else _outcome_of(handler, attempt)
                attempt.elapsed = time.monotonic() - attempt.started
                # In this order: an attempt must be seen in one place or the other at every moment.
                self._on_outcome(attempt, outcome)
                with self._lock:
                    worker.current = None
                if worker.written_off:
                    break
            else:
                is_asked_to_leave = True
        finally:
            try:
                handler.close()
            finally:
                self._remove(worker, is_asked_to_leave=is_asked_to_leave)

    def _start_worker(self) -> bool:
        self._last_number += 1
        worker = Worker(f"worker-{self._last_number}", self)
        with self._lock:
            self._workers[worker.name] = worker
        try:
            worker.thread.start()
        except RuntimeError:
            with self._lock:
                del self._workers[worker.name]
            _log.warning("cannot start another worker thread (ulimit -u, or the pids limit of the container)")
            return False
        return True

    def _write_off(self, worker: Worker[Assigned], attempt: Assigned) -> bool:
        """Returns False for a worker that has ended the attempt at the last moment."""
        with self._lock:
            if worker.current is not attempt:
                return False
            worker.written_off = True
            self._workers.pop(worker.name, None)
            return True

    def _remove(self, worker: Worker[Assigned], *, is_asked_to_leave: bool) -> None:
        with self._lock:
            # A worker that was written off is removed already.
            self._workers.pop(worker.name, None)
            self._leaving -= is_asked_to_leave


def _outcome_of(handler: Handler, attempt: AssignedAttempt) -> Outcome:
    """An attempt has an outcome whatever its handler does: without one its lease would be kept for ever."""
    try:
        return handler.run(attempt)
    except BaseException as exc:  # noqa: BLE001 - the boundary: the thread must survive, too
        _log.exception("the handler of %s#%d failed", attempt.task.id, attempt.number)
        error = f"The handler ended with {type(exc).__name__}, which is our fault: see the log."
        return Outcome(kind=OutcomeKind.HANDLER_ERROR, error=error)
