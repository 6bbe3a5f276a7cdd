"""WorkerPool: the seam to the workers, wherever they run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.handlers.base import HandlerFactory

OnFinished = Callable[[ClaimedAttempt], None]


class ProcessInfo(Protocol):
    """A process with workers in it. `finished` counts the attempts that have ended there."""

    finished: int

    @property
    def pid(self) -> int | None:
        """None while there is no process."""

    @property
    def losses(self) -> int:
        """How often it died unexpectedly and was replaced."""

    @property
    def last_loss(self) -> str | None:
        """The cause of the last such death."""


class WorkerPool(ABC):
    """Any number of workers. Call everything on the event loop.

    Each attempt ends once: `on_finished` gets it with its outcome, or `withdraw` or `interrupt` returns it.
    """

    @property
    @abstractmethod
    def processes(self) -> Sequence[ProcessInfo]:
        """The processes of the workers; their number is constant, also while one is dead."""

    @property
    @abstractmethod
    def total(self) -> int:
        """Workers, without those that will leave once they are idle."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Workers that have something to do."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Attempts that were submitted and have not ended."""

    @abstractmethod
    def under_way(self) -> Iterable[ClaimedAttempt]:
        """The attempts that a worker has surely begun; the others may still wait for one."""

    @property
    @abstractmethod
    def task_time(self) -> float | None:
        """Mean seconds of recent attempts; None before the first has ended."""

    @property
    @abstractmethod
    def trouble(self) -> str | None:
        """Why the workers cannot run tasks now, or None."""

    def describe(self) -> dict[str, Any]:
        """The workers as `/stats` shows them."""
        processes = [
            {"pid": each.pid, "losses": each.losses, "last_loss": each.last_loss} for each in self.processes
        ]
        return {"total": self.total, "busy": self.busy, "task_time": self.task_time, "processes": processes}

    @abstractmethod
    def room(self) -> int:
        """How many attempts may be claimed now: one per free worker, a few more where tasks are short."""

    @abstractmethod
    async def wait_idle(self) -> None:
        """Return once no attempt is in flight."""

    @abstractmethod
    async def start(self, on_finished: OnFinished) -> None:
        """Called once, before the first `submit`; `resize` may come earlier."""

    @abstractmethod
    def adopt(self, factory: HandlerFactory) -> None:
        """Have the handlers take over what can change while they run; see `HandlerFactory.adopt`."""

    @abstractmethod
    def submit(self, attempt: ClaimedAttempt) -> None:
        """Hand an attempt to the next free worker."""

    @abstractmethod
    def resize(self, target: int) -> None:
        """Start missing workers at once; let surplus ones leave, each when it is idle."""

    @abstractmethod
    async def withdraw(self) -> list[ClaimedAttempt]:
        """Take back the attempts that no worker has begun."""

    @abstractmethod
    def check(self) -> None:
        """Replace workers that hang; the autoscaler calls this in each turn.

        The attempt of a worker that did not end by its deadline ends as a timeout.
        """

    def cancel(self, attempts: Sequence[ClaimedAttempt]) -> None:
        """Ask handlers to end these attempts as soon as they can."""
        for attempt in attempts:
            attempt.cancelled = True

    def renew(self, attempts: Sequence[ClaimedAttempt], lease_ends: float) -> None:
        """Set the monotonic time at which the leases of these attempts end."""
        for attempt in attempts:
            attempt.lease_ends = lease_ends

    @abstractmethod
    def interrupt(self) -> list[ClaimedAttempt]:
        """Give up all attempts without waiting for the workers, and drop their late answers."""

    @abstractmethod
    async def close(self) -> None:
        """Let every worker leave. Waits for none of them."""
