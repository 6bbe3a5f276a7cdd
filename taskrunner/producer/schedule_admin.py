"""Schedule administration: create, change, pause, run and delete schedules.

Each change is conditional on the version that it was made from.
"""

import secrets
from collections.abc import Callable

from taskrunner.domain.clock import Clock
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import (
    DedupKeyHeld,
    ExecutorDisabled,
    ScheduleInvalid,
    ScheduleUnknown,
    StateConflict,
    TaskInvalid,
)
from taskrunner.domain.schedules.schedule import LABEL, Schedule, decode_schedule
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.submitter import without_namespace
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from taskrunner.producer.change_check import MAX_TRIES, Check, allow
from taskrunner.producer.intake import Intake, Submitted
from taskrunner.stores.base import Page, ScheduleStore, StoredSchedule


class ScheduleAdmin:
    """Every method may raise `StoreUnavailable`, those that take a name `ScheduleUnknown`."""

    def __init__(self, store: ScheduleStore, intake: Intake, clock: Clock) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock

    @property
    def limits(self) -> TaskLimits:
        """What a schedule's task may ask for."""
        return self._intake.task_settings.limits

    async def create(self, name: str, draft: ScheduleDraft, *, created_by: str | None = None) -> Schedule:
        """Raises `StateConflict` if the name is taken."""
        self._check_executor(draft)
        schedule = replace(draft.to_schedule(name, now=self._clock.now()), created_by=created_by)
        if not await self._store.save_schedule(stored_form(schedule), expected=None):
            raise StateConflict(
                f"there is a schedule {without_namespace(name)!r} already; update it, or delete it first"
            )
        return schedule

    async def put(
        self,
        name: str,
        draft: ScheduleDraft,
        *,
        created_by: str | None = None,
        check: Check[Schedule] = allow,
    ) -> tuple[Schedule, bool]:
        """Create or change a schedule; True if it is new. Its history and its pause stay."""
        self._check_executor(draft)
        if await self._store.schedule(name) is None:
            check(None)
            schedule = replace(draft.to_schedule(name, now=self._clock.now()), created_by=created_by)
            if await self._store.save_schedule(stored_form(schedule), expected=None):
                return schedule, True
        return await self._change(name, lambda known: self._changed(known, draft), check), False

    async def patch(self, name: str, patch: bytes, *, check: Check[Schedule] = allow) -> Schedule:
        """Apply a JSON merge patch (RFC 7396). Raises `ScheduleInvalid`."""
        limits = self._intake.task_settings.limits
        return await self._change(
            name, lambda known: self._changed(known, ScheduleDraft.patched(known, patch, limits)), check
        )

    def _check_executor(self, draft: ScheduleDraft) -> None:
        """Raises `ScheduleInvalid` for an executor that is unknown, and for data that does not fit it."""
        settings = self._intake.task_settings
        task = TaskDraft.from_json(draft.task, settings.limits)
        if task.executor is None:
            return
        try:
            task.to_task(settings, task_id=new_task_id(), now=self._clock.now())
        except ExecutorDisabled:
            return  # it may be enabled by the first slot
        except TaskInvalid as exc:
            raise ScheduleInvalid([replace(each, field=f"task.{each.field}") for each in exc.errors]) from exc

    def _changed(self, known: Schedule, draft: ScheduleDraft) -> Schedule:
        self._check_executor(draft)
        changed = draft.to_schedule(known.name, now=self._clock.now())
        same_times = (known.cron, known.time_zone) == (changed.cron, changed.time_zone)
        # A change of other fields must not lose a slot that is due at this moment.
        next_at = known.next_at if known.paused or same_times else changed.next_at
        return replace(
            changed,
            created_at=known.created_at,
            created_by=known.created_by,
            paused=known.paused,
            next_at=next_at,
            timetable_since=known.timetable_since if same_times else changed.timetable_since,
            last_at=known.last_at,
            last_task_id=known.last_task_id,
        )

    async def get(self, name: str) -> Schedule:
        found = await self._store.schedule(name)
        if found is None:
            raise ScheduleUnknown(f"no schedule has the name {name!r}")
        return decode_schedule(found.encoded)

    async def list(self, *, limit: int, cursor: str | None, namespace: str = "") -> Page[Schedule]:
        """By name, ascending: those whose names begin with `namespace`, which cursors leave out."""
        # Names that begin so follow each other. Whether another one comes after them is not to be told.
        after = namespace + (cursor or "")
        page = await self._store.list_schedules(limit=limit + 1, cursor=after or None)
        own = [item for item in page.items if item.name.startswith(namespace)]
        return Page(
            items=[decode_schedule(item.encoded) for item in own[:limit]],
            cursor=own[limit - 1].name.removeprefix(namespace) if len(own) > limit else None,
        )

    async def delete(self, name: str, *, check: Check[Schedule] = allow) -> None:
        """The tasks of the schedule stay. `check` sees the version that is removed."""
        for _ in range(MAX_TRIES):
            found = await self._store.schedule(name)
            if found is None:
                raise ScheduleUnknown(f"no schedule has the name {name!r}")
            check(decode_schedule(found.encoded))
            if await self._store.delete_schedule(name, expected=found.version):
                return
        raise StateConflict(f"schedule {name!r} is being changed by others; try again")

    async def pause(self, name: str, *, check: Check[Schedule] = allow) -> Schedule:
        """No slot runs until `resume`; slots that pass meanwhile never run."""
        return await self._change(name, lambda known: replace(known, paused=True, next_at=None), check)

    async def resume(self, name: str, *, check: Check[Schedule] = allow) -> Schedule:
        """Continue with the next slot. No effect on a schedule that is not paused."""
        return await self._change(
            name, lambda known: known.resumed(self._clock.now()) if known.paused else known, check
        )

    async def run(self, name: str) -> Submitted:
        """Submit its task now, in addition to the slots.

        Raises `TaskInvalid` if the limits have changed, and `DedupKeyHeld`: who asks for a run wants to know
        that there is none.
        """
        schedule = await self.get(name)
        draft = draft_of(schedule, self._intake.task_settings.limits)
        submitted = await self._intake.submit(draft, submitter=schedule.submitter)
        if submitted.deduplicated and draft.dedup is not None:
            raise DedupKeyHeld.of(submitted.id, draft.dedup.key)
        return submitted

    async def _change(
        self, name: str, change: Callable[[Schedule], Schedule], check: Check[Schedule]
    ) -> Schedule:
        """`check` sees the version that the change replaces, so that nothing can come between."""
        for _ in range(MAX_TRIES):
            found = await self._store.schedule(name)
            if found is None:
                raise ScheduleUnknown(f"no schedule has the name {name!r}")
            known = decode_schedule(found.encoded)
            check(known)
            changed = change(known)
            if changed is known:
                return known
            changed = replace(changed, updated_at=self._clock.now())
            if await self._store.save_schedule(stored_form(changed), expected=found.version):
                return changed
        raise StateConflict(f"schedule {name!r} is being changed by others; try again")


def stored_form(schedule: Schedule) -> StoredSchedule:
    """The stored form, with a new version."""
    return StoredSchedule(
        name=schedule.name,
        version=secrets.token_hex(12),
        encoded=encode(schedule),
        next_at=schedule.next_at,
    )


def draft_of(schedule: Schedule, limits: TaskLimits) -> TaskDraft:
    """The draft of its tasks, with the label that names the schedule. Raises `TaskInvalid`."""
    draft = TaskDraft.from_json(schedule.task, limits)
    return draft.model_copy(update={"labels": {LABEL: without_namespace(schedule.name), **draft.labels}})
