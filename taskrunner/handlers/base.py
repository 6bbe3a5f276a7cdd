"""The seam to a handler: what a worker thread calls."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from taskrunner.domain.outcome import Outcome
from taskrunner.domain.task import Task


@dataclass(slots=True, eq=False)
class AttemptContext:
    """One attempt in the hands of a worker.

    `cancelled` may turn True at any time, set by the event loop: the handler is then to end as soon as it
    can, with an outcome of kind `cancelled` or `interrupted`.
    """

    task: Task
    number: int
    cancelled: bool = False


class Handler(ABC):
    """Runs attempts one after the other, always in the same thread.

    Each worker has a handler of its own, so a handler may keep what is costly to make (a connection, a
    curl handle) between attempts.
    """

    @abstractmethod
    def run(self, context: AttemptContext) -> Outcome:
        """Make the attempt. Ends by the task's timeout by itself, and raises nothing."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was kept. Called in the same thread, once, after the last attempt."""


class HandlerFactory(ABC):
    """Makes handlers, one per worker, in whatever process the workers are; it travels there pickled."""

    @abstractmethod
    def start(self) -> None:
        """Called once, in the process of the workers, before the first handler is made."""

    @abstractmethod
    def make_handler(self) -> Handler:
        """Called in the worker's thread."""

    @abstractmethod
    def stop(self) -> None:
        """Called once, after the last attempt, unless the process of the workers ends before."""
