"""HandlerRegistration puts the executors of Python handlers into the store, as their code declares them.

An executor that an operator has made or changed is left alone: operators have the last word.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from taskrunner.consumer.handler_declaration import check_declaration, declared
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ExecutorInvalid
from taskrunner.domain.events import Events, ExecutorNotRegistered, ExecutorRegistered
from taskrunner.domain.executors.executor import MAX_EXECUTORS, Executor, ExecutorKind, ManagedBy
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.handlers.python.manifest import HandlerManifest
from taskrunner.runtime.service import Service
from taskrunner.stores.executor_store import ExecutorStore

# Until handlers that were refused are looked at again.
_REST = 60.0
# After another process has changed an executor meanwhile.
_AGAIN = 0.1


class HandlerRegistration(Service):
    """Registers each handler once. Waits for the store as long as it takes.

    Two versions of the code may run side by side for a while: the one that started last has its way, and
    they do not take turns. What an operator deletes comes back at the next start. A handler that is refused
    is looked at again, since its queue may be declared meanwhile.
    """

    def __init__(
        self,
        store: ExecutorStore,
        events: Events,
        clock: Clock,
        settings: TaskSettingsSource,
        handlers: Sequence[HandlerManifest],
    ) -> None:
        super().__init__("handler registration", events)
        self._store = store
        self._clock = clock
        self._settings = settings
        self._left = list(handlers)
        self._told: set[tuple[str, str]] = set()

    async def turn(self) -> float:
        if not self._left:
            return _REST
        known = {each.name: each for each in await self._store.executors()}
        limits = self._settings.current.limits
        # To check the largest schemas takes a second.
        found = await asyncio.to_thread(lambda: [findings(each, limits) for each in self._left])
        for handler, invalid in zip(list(self._left), found, strict=True):
            before = known.get(handler.name)
            why = invalid or refusal(handler, before, number=len(known))
            if why is not None:
                self._tell(handler.name, why)
                continue
            if before is not None and (ignored := without_effect(handler, before)) is not None:
                self._tell(handler.name, ignored)
            after = registered(handler, before, now=self._clock.now())
            if after != before:
                if not await self._store.save_executor(after, expected=before):
                    return _AGAIN
                self._events.emit(ExecutorRegistered(executor=after.name, version=after.version))
            known[after.name] = after
            self._left.remove(handler)
        return _REST

    def _tell(self, name: str, why: str) -> None:
        if (name, why) not in self._told:
            self._told.add((name, why))
            self._events.emit(ExecutorNotRegistered(executor=name, reason=why))


def findings(handler: HandlerManifest, limits: TaskLimits) -> str | None:
    """What is wrong with the executor that a handler asks for."""
    try:
        check_declaration(handler, limits)
    except ExecutorInvalid as exc:
        return "; ".join(map(str, exc.errors))
    return None


def refusal(handler: HandlerManifest, before: Executor | None, *, number: int) -> str | None:
    """Why the handler has no executor, where there are so many; None if it may have one."""
    if before is None:
        if number >= MAX_EXECUTORS:
            return f"there are {number} executors, and at most {MAX_EXECUTORS}: delete one"
        return None
    if before.kind is not ExecutorKind.PYTHON:
        return f"it exists with the kind {before.kind}: delete it, or rename the handler"
    return None


def without_effect(handler: HandlerManifest, before: Executor) -> str | None:
    """What the code says in vain, since an operator has decided."""
    differing = [name for name, value in declared(handler).items() if getattr(before, name) != value]
    if before.managed_by is ManagedBy.OPERATOR and differing:
        return f"an operator decides on it, so what its code says of {', '.join(differing)} has no effect"
    return None


def registered(handler: HandlerManifest, before: Executor | None, *, now: datetime) -> Executor:
    """The executor as the code declares it; `before` itself if that is how it is."""
    fields = declared(handler)
    if before is None:
        return Executor(
            name=handler.name,
            kind=ExecutorKind.PYTHON,
            managed_by=ManagedBy.CODE,
            created_at=now,
            updated_at=now,
            **fields,
        )
    if before.managed_by is ManagedBy.OPERATOR or replace(before, **fields) == before:
        return before
    return replace(before, **fields, version=before.version + 1, updated_at=now)
