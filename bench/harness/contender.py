"""A contender: a task queue that does the bench's job, and what a bench must be able to ask of it."""

from abc import ABC, abstractmethod

from harness.child import Child

SLOTS = 50


class Contender(ABC):
    """One task queue: queue N tasks, run them by one process with `SLOTS` slots, store the results."""

    name: str
    share = 1.0
    """The part of the tasks that it gets; a slow contender need not run as many to show its rate."""

    @abstractmethod
    def prepare(self) -> None:
        """Install or check what it needs. Raises `ChildFailed` or `OSError` where that is impossible here."""

    @abstractmethod
    def preload(self, pattern: str, tasks: int) -> None:
        """Queue tasks, each to GET `pattern` with its number for "{n}"; return when all are durable."""

    @abstractmethod
    def consume(self) -> Child:
        """Start the process that runs what is queued."""

    @abstractmethod
    def stored(self) -> int:
        """How many tasks succeeded and have their result stored."""
