"""Restarter starts a child process of workers, and another one whenever it dies."""

import logging
import pickle
import time
from collections.abc import Callable

from taskrunner.consumer.processes.child_process import ChildProcess
from taskrunner.consumer.processes.wire import Frame
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.task_log import TASK_LOGGER
from taskrunner.handlers.base import HandlerFactory
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.service import Service

# A child that lived this many seconds died neither of its start nor of what killed its predecessor.
SETTLED_AFTER = 10.0
# This many deaths in a row are no accident any more.
_TROUBLE_FROM = 3


class Restarter(Service):
    """One turn is the life of one child. `on_lost` gets pid and cause of each death that we did not want.

    `factory` is pickled.
    """

    def __init__(
        self,
        factory: HandlerFactory,
        events: Events,
        *,
        on_reply: Callable[[ChildProcess, Frame], None],
        on_lost: Callable[[int | None, str], None],
    ) -> None:
        super().__init__("workers", events)
        self.factory = pickle.dumps(factory)
        self._on_reply = on_reply
        self._on_lost = on_lost
        self._child: ChildProcess | None = None
        self._backoff = Backoff()
        self._losses_in_a_row = 0
        self.losses = 0
        self.last_loss: str | None = None

    @property
    def ready_child(self) -> ChildProcess | None:
        child = self._child
        return child if child is not None and child.is_ready else None

    @property
    def is_down(self) -> bool:
        """From a death until the next child is ready."""
        return bool(self.losses) and self.ready_child is None

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def trouble(self) -> str | None:
        child = self.ready_child
        if child is None and not self.losses:
            return "the worker process has not started yet"
        if self._losses_in_a_row >= _TROUBLE_FROM and not (child and _is_settled(child)):
            return f"the worker process died {self._losses_in_a_row} times in a row, last by {self.last_loss}"
        return None

    def adopt(self, factory: HandlerFactory) -> None:
        """Start later children with this factory, too."""
        self.factory = pickle.dumps(factory)

    def check(self) -> None:
        """Kill a child that hangs as a whole."""
        if self._child is not None:
            self._child.check()

    async def turn(self) -> float:
        child = self._child = ChildProcess(self._on_reply)
        try:
            await child.start(self.factory, _log_levels())
            if self.stopping:
                child.kill()
            cause = await child.wait()
        except OSError as exc:
            cause = f"it cannot be started: {exc.strerror}"
        finally:
            child.kill()
            self._child = None
        return 0.0 if self.stopping else self._record_loss(child, cause)

    async def stop(self) -> None:
        """Waits for no attempt of the child: they were given up before."""
        self._stopping.set()
        if self._child is not None:
            self._child.end()
        await super().stop()

    def _record_loss(self, child: ChildProcess, cause: str) -> float:
        """Returns the pause before the next start."""
        if _is_settled(child):
            self._backoff.reset()
            self._losses_in_a_row = 0
        self._losses_in_a_row += 1
        self.last_loss = cause
        self.losses += 1
        self._on_lost(child.pid, cause)
        return self._backoff.next()


def _log_levels() -> tuple[int, int]:
    """Of all loggers, and of what handlers tell."""
    return logging.getLogger().getEffectiveLevel(), logging.getLogger(TASK_LOGGER).getEffectiveLevel()


def _is_settled(child: ChildProcess) -> bool:
    return time.monotonic() - child.started_at >= SETTLED_AFTER
