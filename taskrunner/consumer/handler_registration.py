"""HandlerRegistration keeps the executors of Python handlers in the store as their code declares them.

An executor that an operator has made or changed is left alone: operators have the last word.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from taskrunner.domain.clock import Clock
from taskrunner.domain.codec import encode
from taskrunner.domain.events import Events, ExecutorNotRegistered, ExecutorRegistered
from taskrunner.domain.executor import Executor, ExecutorKind, ManagedBy
from taskrunner.domain.value import replace
from taskrunner.handlers.python.manifest import HandlerManifest
from taskrunner.runtime.service import Service
from taskrunner.stores.executor_store import ExecutorStore

# Until the next look: an executor may have been deleted.
_REST = 60.0
# After another process has changed an executor meanwhile.
_AGAIN = 0.1


class HandlerRegistration(Service):
    """One turn writes what differs. Waits for the store as long as it takes."""

    def __init__(
        self, store: ExecutorStore, events: Events, clock: Clock, handlers: Sequence[HandlerManifest]
    ) -> None:
        super().__init__("handler registration", events)
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._told: set[str] = set()

    async def turn(self) -> float:
        known = {each.name: each for each in await self._store.executors()}
        for handler in self._handlers:
            before = known.get(handler.name)
            why = refusal(handler, before)
            if why is not None:
                self._tell(handler.name, why)
                continue
            after = registered(handler, before, now=self._clock.now())
            if after == before:
                continue
            if not await self._store.save_executor(after, expected=before):
                return _AGAIN
            self._events.emit(ExecutorRegistered(executor=after.name, version=after.version))
        return _REST

    def _tell(self, name: str, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._events.emit(ExecutorNotRegistered(executor=name, reason=why))


def refusal(handler: HandlerManifest, before: Executor | None) -> str | None:
    """Why the executor of a handler stays as it is; None if it may be written."""
    if before is None:
        return None
    if before.kind is not ExecutorKind.PYTHON:
        return f"it exists with the kind {before.kind}: delete it, or rename the handler"
    differing = [name for name, value in _declared(handler).items() if getattr(before, name) != value]
    if before.managed_by is ManagedBy.OPERATOR and differing:
        return f"an operator decides on it, so what its code says of {', '.join(differing)} has no effect"
    return None


def registered(handler: HandlerManifest, before: Executor | None, *, now: datetime) -> Executor:
    """The executor as the code declares it; `before` itself if that is how it is."""
    declared = _declared(handler)
    if before is None:
        return Executor(
            name=handler.name,
            kind=ExecutorKind.PYTHON,
            managed_by=ManagedBy.CODE,
            created_at=now,
            updated_at=now,
            **declared,
        )
    if before.managed_by is ManagedBy.OPERATOR or replace(before, **declared) == before:
        return before
    return replace(before, **declared, version=before.version + 1, updated_at=now)


def _declared(handler: HandlerManifest) -> Mapping[str, Any]:
    return {
        "description": handler.description,
        "schema": None if handler.schema is None else encode(handler.schema).decode(),
        "retry": handler.retry,
        "max_attempts": handler.max_attempts,
        "timeout": handler.timeout,
        "queue": handler.queue,
    }
