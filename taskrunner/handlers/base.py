"""The seam to a handler: what a worker thread calls."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.task import Task


@dataclass(slots=True, eq=False)
class AttemptContext:
    """What a handler gets: attempt `number` of a task.

    The event loop may set `cancelled` at any time: the handler then ends as soon as possible, with an
    outcome of kind `cancelled` or `interrupted`. The handler sets `progress` if it knows any.
    """

    task: Task
    number: int
    cancelled: bool = False
    progress: Progress | None = None


class Handler(ABC):
    """Runs attempts one after the other, always in the same thread.

    Each worker has its own handler, so a handler may keep what is costly to make (a connection, a curl
    handle) between attempts.
    """

    @abstractmethod
    def run(self, context: AttemptContext) -> Outcome:
        """Run the attempt. Ends within the task's timeout and raises nothing."""

    @abstractmethod
    def close(self) -> None:
        """Release what was kept. Called once, in the same thread, after the last attempt."""


class HandlerFactory(ABC):
    """Makes one handler per worker. Pickled and sent to the process that holds the workers."""

    @abstractmethod
    def start(self) -> None:
        """Called once, in the process of the workers, before the first handler is made."""

    @abstractmethod
    def make_handler(self) -> Handler:
        """Called in the worker's thread."""

    def adopt(self, other: Self) -> None:  # noqa: B027 - most have nothing that can change
        """Take over from `other` what can change while workers run: attempts that begin later have it.

        Called after `start`, in the same process.
        """

    @abstractmethod
    def stop(self) -> None:
        """Called once, after the last attempt, unless the process of the workers ends before."""
