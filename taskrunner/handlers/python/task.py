"""The task, as a handler sees it."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.task_log import TASK_DATA, TASK_LOGGER
from taskrunner.handlers.base import AttemptContext

if TYPE_CHECKING:
    TaskLog = logging.LoggerAdapter[logging.Logger]
else:
    TaskLog = logging.LoggerAdapter

Data = TypeVar("Data")


class _TaskLog(TaskLog):
    """Begins each line with the executor, the task and the attempt."""

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), TASK_DATA: self.extra[TASK_DATA]}  # type: ignore[index]  # always given
        return f"{self.extra['name']} {self.extra['task']}#{self.extra['attempt']}: {msg}", kwargs  # type: ignore[index]  # always given


class Task(Generic[Data]):
    """One attempt of a task.

    `data` is what was submitted: an instance of the handler's schema if that is a type, else plain JSON
    values. `attempt` counts from 1. `deadline` is the end of the attempt's timeout: the function should
    have returned by then. `log` is a logger whose lines name the task.
    """

    def __init__(
        self,
        data: Data,
        context: AttemptContext,
        *,
        ends: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = context.task.id
        self.executor = context.task.executor or ""
        self.data = data
        self.attempt = context.number
        self.max_attempts = context.task.max_attempts
        self._context = context
        self._ends = ends
        self._clock = clock

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; 0 after it."""
        return max(0.0, self._ends - self._clock())

    @cached_property
    def deadline(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ends - self._clock())

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more: the task was cancelled, or its deadline is over.

        A long function looks here from time to time, and returns. An `async def` is cancelled by itself.
        """
        return self._context.cancelled or self._clock() >= self._ends

    @cached_property
    def log(self) -> "TaskLog":
        names = {
            "name": self.executor,
            "task": self.id,
            "attempt": self.attempt,
            TASK_DATA: self._context.task.content or b"",
        }
        return _TaskLog(logging.getLogger(TASK_LOGGER), names)

    def progress(self, fraction: float, message: str = "") -> None:
        """Report the progress of the attempt: `fraction` from 0 to 1.

        Cheap: the last report is written, about once a second.

        Raises `ValueError`.
        """
        self._context.progress = Progress.of(fraction, message, attempt=self.attempt)
