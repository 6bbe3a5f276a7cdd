"""Executor administration: create, change and delete executors.

Each change is conditional on the version that it was made from.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ExecutorInvalid, ExecutorUnknown, FieldError, StateConflict
from taskrunner.domain.executors.executor import MAX_EXECUTORS, Executor, ManagedBy
from taskrunner.domain.executors.executor_draft import ExecutorDraft, switch_of
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.change_check import MAX_TRIES, Check, allow
from taskrunner.producer.executor_watch import INTERVAL, ExecutorWatch
from taskrunner.producer.search import Search
from taskrunner.stores.base import ExecutorStore

# Seconds for which a deletion looks for live tasks and cancels them.
_PATIENCE = 10.0
_PAGE = 500
# Seconds after which no process takes or starts a task of an executor that was disabled.
_KNOWN_EVERYWHERE = 2 * INTERVAL
# Tasks of a disabled executor change their status in this direction only, so that a look at each in turn
# meets them all: nobody publishes or starts them.
_STATUSES = (Status.RUNNING, Status.QUEUED, Status.SCHEDULED, Status.RETRYING)


class ExecutorAdmin:
    """Every method may raise `StoreUnavailable`, those that change one `ExecutorUnknown`."""

    def __init__(
        self,
        store: ExecutorStore,
        search: Search,
        cancellation: Cancellation,
        clock: Clock,
        settings: TaskSettingsSource,
        watch: ExecutorWatch,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._search = search
        self._cancellation = cancellation
        self._clock = clock
        self._settings = settings
        # This process reads its own changes at once, unless the store is away by then.
        self._watch = watch
        self._sleep = sleep

    @property
    def limits(self) -> TaskLimits:
        """What an executor may ask for."""
        return self._settings.current.limits

    async def list(self) -> Sequence[Executor]:
        """By name."""
        return await self._store.executors()

    async def get(self, name: str) -> Executor:
        """Raises `ExecutorUnknown`."""
        found = await self._find(name)
        if found is None:
            raise ExecutorUnknown(f"no executor has the name {name!r}")
        return found

    async def create(self, name: str, draft: ExecutorDraft) -> Executor:
        """Raises `StateConflict` if the name is taken, or if there are too many."""
        executor = self._made(name, draft)
        await self._check_room(name)
        if not await self._save(executor, None):
            raise StateConflict(f"there is an executor {name!r} already; change it, or delete it first")
        return executor

    async def put(
        self, name: str, draft: ExecutorDraft, *, check: Check[Executor] = allow
    ) -> tuple[Executor, bool]:
        """Create or replace an executor; True if it is new. Unless `draft` enables it, it stays disabled."""
        for _ in range(MAX_TRIES):
            known = await self._find(name)
            check(known)
            made = self._made(name, draft)
            if known is None:
                await self._check_room(name)
            else:
                await self._check_kind(known, made)
                # Whoever replaces the fields of an executor does not mean to start the tasks that wait.
                is_enabled = known.enabled if draft.enabled is None else draft.enabled
                made = _following(known, replace(made, enabled=is_enabled))
            if await self._save(made, known):
                return made, known is None
        raise _contended(name)

    async def patch(self, name: str, patch: bytes, *, check: Check[Executor] = allow) -> Executor:
        """Apply a JSON merge patch (RFC 7396). Raises `ExecutorInvalid`.

        Enabling or disabling leaves an executor to the code that registered it, and works even if limits or
        queues have changed since it was made.
        """

        async def changed(known: Executor) -> Executor:
            switch = switch_of(patch)
            if switch is not None:
                return replace(known, enabled=switch)
            # To check the largest schemas takes a second.
            draft = await asyncio.to_thread(ExecutorDraft.patched, known, patch, self.limits)
            made = self._made(name, draft)
            await self._check_kind(known, made)
            alike = replace(_following(known, made), enabled=known.enabled, managed_by=known.managed_by)
            is_switched = replace(alike, version=known.version, updated_at=known.updated_at) == known
            if is_switched and draft.managed_by is None:
                made = replace(made, managed_by=known.managed_by)
            return made

        return await self._change(name, changed, check)

    async def delete(self, name: str, *, cancel: bool, check: Check[Executor] = allow) -> int:
        """Returns how many tasks were cancelled.

        Without `cancel`, raises `StateConflict` if it has live tasks.

        It is disabled first, and two seconds later every process knows: from then on no task of it is taken
        or starts. Looks at live tasks for 10 seconds: of more than some 100,000, it leaves the rest to a
        request that is repeated.
        """
        known = await self.get(name)
        check(known)
        if not cancel:
            # Before anything is changed: most of those that are in use have a task now.
            await self._refuse_live_tasks(name)
        was_enabled = known.enabled
        if was_enabled:
            known = await self._change(name, _disabled, check)
        try:
            await self._sleep(_KNOWN_EVERYWHERE)
            if not cancel:
                await self._refuse_live_tasks(name)
        except BaseException:  # also if the request is aborted
            if was_enabled and not cancel:
                # A second cancellation must not leave it disabled.
                await asyncio.shield(self._enable_again(known))
            raise
        cancelled = await self._cancel_all(name) if cancel else 0
        if not await self._store.delete_executor(known):
            raise _contended(name)
        await self._watch.refresh()
        return cancelled

    async def _enable_again(self, disabled: Executor) -> None:
        """Unless somebody else has changed it since."""
        enabled = replace(disabled, enabled=True, updated_at=self._clock.now())
        await self._save(_following(disabled, enabled), disabled)

    async def _refuse_live_tasks(self, name: str) -> None:
        if await self._has_live_tasks(name):
            raise StateConflict(
                f"executor {name!r} has tasks that have not ended; wait for them, or give cancel=true"
            )

    async def _check_kind(self, known: Executor, changed: Executor) -> None:
        """Raises `StateConflict` where another kind would strand tasks or the handler in the code."""
        if changed.kind is known.kind:
            return
        change = f"the kind of executor {known.name!r} cannot be changed from {known.kind} to {changed.kind}"
        if known.managed_by is ManagedBy.CODE:
            raise StateConflict(f"{change}: its code registers it; give the new executor another name")
        if await self._has_live_tasks(known.name):
            raise StateConflict(f"{change}: it has tasks that have not ended; wait for them, or cancel them")

    async def _has_live_tasks(self, name: str) -> bool:
        give_up = self._clock.monotonic() + _PATIENCE
        for status in _STATUSES:
            cursor: str | None = None
            while True:
                wanted = TaskFilter(executor=name, status=status)
                page = await self._search.tasks(wanted, limit=1, cursor=cursor)
                if page.items:
                    return True
                cursor = page.cursor
                if cursor is None:
                    break
                if self._clock.monotonic() >= give_up:
                    raise StateConflict(
                        f"there are too many live tasks to find out whether executor {name!r} has one; "
                        "cancel its tasks, or try again once there are fewer"
                    )
        return False

    async def _cancel_all(self, name: str) -> int:
        """Until none is left: one may have changed its status between our read and our write."""
        give_up = self._clock.monotonic() + _PATIENCE
        cancelled, found = 0, True
        while found:
            found = False
            for status in _STATUSES:
                async for page in self._pages(name, status):
                    found = found or bool(page)
                    cancelled += len(await self._cancellation.cancel_all(page))
                    if self._clock.monotonic() >= give_up:
                        raise StateConflict(
                            f"executor {name!r} is disabled and {cancelled} of its tasks are cancelled; "
                            "there may be more: repeat the request"
                        )
        return cancelled

    async def _pages(self, name: str, status: Status) -> AsyncIterator[Sequence[Record]]:
        wanted, cursor = TaskFilter(executor=name, status=status), None
        while True:
            page = await self._search.tasks(wanted, limit=_PAGE, cursor=cursor)
            yield page.items
            cursor = page.cursor
            if cursor is None:
                return

    async def _change(
        self, name: str, change: Callable[[Executor], Awaitable[Executor]], check: Check[Executor]
    ) -> Executor:
        for _ in range(MAX_TRIES):
            known = await self.get(name)
            check(known)
            executor = _following(known, replace(await change(known), updated_at=self._clock.now()))
            if await self._save(executor, known):
                return executor
        raise _contended(name)

    async def _save(self, executor: Executor, expected: Executor | None) -> bool:
        saved = await self._store.save_executor(executor, expected=expected)
        if saved:
            await self._watch.refresh()
        return saved

    async def _find(self, name: str) -> Executor | None:
        return next((each for each in await self._store.executors() if each.name == name), None)

    async def _check_room(self, name: str) -> None:
        known = await self._store.executors()
        if len(known) >= MAX_EXECUTORS and all(each.name != name for each in known):
            raise StateConflict(f"there are {len(known)} executors, and at most {MAX_EXECUTORS}: delete one")

    def _made(self, name: str, draft: ExecutorDraft) -> Executor:
        settings = self._settings.current
        concern = draft.write_concern
        if concern is not None and concern not in settings.write_concerns:
            message = f"{concern.value} cannot be kept by this store"
            raise ExecutorInvalid([FieldError(field="write_concern", message=message)])
        return draft.to_executor(name, retry=settings.defaults.retry, now=self._clock.now())


def _following(known: Executor, changed: Executor) -> Executor:
    """`changed` as the version after `known`."""
    return replace(changed, version=known.version + 1, created_at=known.created_at)


async def _disabled(executor: Executor) -> Executor:
    return replace(executor, enabled=False)


def _contended(name: str) -> StateConflict:
    return StateConflict(f"executor {name!r} is being changed by others; try again")
