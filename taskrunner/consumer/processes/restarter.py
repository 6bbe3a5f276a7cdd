"""The keeper starts a child process of workers, and another one whenever it dies."""

import logging
import pickle
import time
from collections.abc import Callable

from taskrunner.consumer.processes.child import Child
from taskrunner.consumer.processes.wire import Item
from taskrunner.domain.events import Events
from taskrunner.handlers.base import HandlerFactory
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.service import Service

# A child that lived this long did not die of its start, nor of what its predecessor died of.
SETTLED_AFTER = 10.0
# So many deaths in a row are no accident any more.
_TROUBLE_FROM = 3


class Restarter(Service):
    """One turn is the life of one child. `on_lost` hears whose death was not our doing, and its cause."""

    def __init__(
        self,
        factory: HandlerFactory,
        events: Events,
        *,
        hear: Callable[[Child, Item], None],
        on_lost: Callable[[int | None, str], None],
    ) -> None:
        super().__init__("workers", events)
        self._factory = pickle.dumps(factory)
        self._hear = hear
        self._on_lost = on_lost
        self._child: Child | None = None
        self._backoff = Backoff()
        self._in_a_row = 0
        self._last_cause = ""
        self.losses = 0

    @property
    def child(self) -> Child | None:
        """The one that is ready for orders."""
        child = self._child
        return child if child is not None and child.is_ready else None

    @property
    def is_bereft(self) -> bool:
        """After a death, until another child is ready."""
        return bool(self.losses) and self.child is None

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def last_loss(self) -> str | None:
        return self._last_cause or None

    @property
    def trouble(self) -> str | None:
        if self.child is None and not self.losses:
            return "the worker process has not started yet"
        if self._in_a_row >= _TROUBLE_FROM and not (self.child and _is_settled(self.child)):
            return f"the worker process died {self._in_a_row} times in a row, last by {self._last_cause}"
        return None

    def check(self) -> None:
        """Kill a child that hangs as a whole."""
        if self._child is not None:
            self._child.check()

    async def turn(self) -> float:
        child = self._child = Child(self._hear)
        try:
            await child.start(self._factory, logging.getLogger().getEffectiveLevel())
            if self.stopping:
                child.kill()
            cause = await child.wait()
        except OSError as exc:
            cause = f"it cannot be started: {exc.strerror}"
        finally:
            child.kill()
            self._child = None
        return 0.0 if self.stopping else self._mourn(child, cause)

    async def stop(self) -> None:
        """Kills the child, whatever it is doing: what it still has was given up before."""
        self._stopping.set()
        if self._child is not None:
            self._child.kill()
        await super().stop()

    def _mourn(self, child: Child, cause: str) -> float:
        if _is_settled(child):
            self._backoff.reset()
            self._in_a_row = 0
        self._in_a_row += 1
        self._last_cause = cause
        self.losses += 1
        self._on_lost(child.pid, cause)
        return self._backoff.next()


def _is_settled(child: Child) -> bool:
    return time.monotonic() - child.born >= SETTLED_AFTER
