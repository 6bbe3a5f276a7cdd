"""The seam to the workers: what the consumer and the supervisor ask of them, wherever they run."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from taskrunner.consumer.claimed_attempt import ClaimedAttempt, FinishedAttempt

OnFinished = Callable[[FinishedAttempt], None]


class ProcessInfo(Protocol):
    """A process with workers in it. `finished` counts the attempts that have ended there."""

    finished: int

    @property
    def pid(self) -> int | None:
        """None while there is none."""

    @property
    def losses(self) -> int:
        """How often it died when it was not to, and was replaced."""

    @property
    def last_loss(self) -> str | None:
        """What the last of these deaths was by."""


class WorkerPool(ABC):
    """Between 0 and any number of workers, which tell each attempt's outcome on the event loop.

    Everything here is called on the event loop. An attempt ends once: by its outcome, or by being given up.
    """

    @property
    @abstractmethod
    def processes(self) -> Sequence[ProcessInfo]:
        """Where the workers are; always as many, also while one is dead."""

    @property
    @abstractmethod
    def total(self) -> int:
        """Workers that are there to stay."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """Workers that have something to do."""

    @property
    @abstractmethod
    def in_flight(self) -> int:
        """Attempts that were submitted and have not ended."""

    @property
    @abstractmethod
    def task_time(self) -> float | None:
        """Mean seconds of an attempt of late; None before the first has ended."""

    @property
    @abstractmethod
    def trouble(self) -> str | None:
        """Why these workers cannot be relied on just now."""

    def describe(self) -> dict[str, Any]:
        """The workers as `/stats` shows them."""
        processes = [
            {"pid": each.pid, "losses": each.losses, "last_loss": each.last_loss} for each in self.processes
        ]
        return {
            "total": self.total,
            "busy": self.busy,
            "task_time": self.task_time,
            "processes": processes,
        }

    @abstractmethod
    def room(self) -> int:
        """How many attempts may be claimed now: one per free worker, a few more where tasks are short."""

    @abstractmethod
    async def wait_idle(self) -> None:
        """Return once nothing is in flight."""

    @abstractmethod
    async def start(self) -> None:
        """Called once, before the first attempt is submitted; `resize` may come earlier."""

    @abstractmethod
    def submit(self, running: ClaimedAttempt) -> None:
        """Hand an attempt to the next free worker."""

    @abstractmethod
    def resize(self, target: int) -> None:
        """Start workers at once, or let as many leave as are too many, each when it is idle."""

    @abstractmethod
    async def withdraw(self) -> list[ClaimedAttempt]:
        """Take back what no worker has begun."""

    @abstractmethod
    def check(self) -> None:
        """Replace what hangs; the supervisor calls it in each of its turns.

        The attempt of a worker that did not end by its deadline ends as a timeout.
        """

    def cancel(self, lost: Sequence[ClaimedAttempt]) -> None:
        """Have attempts end as soon as they can."""
        for running in lost:
            running.context.cancelled = True

    def renew(self, kept: Sequence[ClaimedAttempt], lease_ends: float) -> None:
        """The leases of these attempts end later now, by the monotonic clock."""
        for running in kept:
            running.lease_ends = lease_ends

    @abstractmethod
    def interrupt(self) -> list[ClaimedAttempt]:
        """Give up what is in flight, without waiting for the workers; their answers will be dropped."""

    @abstractmethod
    async def close(self) -> None:
        """Let every worker leave. Waits for none of them."""
