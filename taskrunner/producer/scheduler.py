"""The scheduler makes the tasks of schedules whose slot has come, and moves each on to its next slot.

Both are one atomic step of the store, taken only if nobody else has moved the schedule meanwhile: any number
of schedulers may run, and one may die at any point. The tasks are due in the store: the relay publishes them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.events import Events, ScheduleFailed, TasksAccepted
from taskrunner.domain.record import Record
from taskrunner.domain.schedule import (
    Overlap,
    Plan,
    Schedule,
    decode_schedule,
    plan,
    slot_delay,
    slot_task_id,
)
from taskrunner.domain.status import TERMINAL
from taskrunner.domain.task import Task
from taskrunner.domain.task_draft import TaskSettings
from taskrunner.domain.validators import validators_after
from taskrunner.domain.value import replace
from taskrunner.producer.schedules import stored, task_draft
from taskrunner.producer.settings import SchedulerSettings
from taskrunner.runtime.service import Service
from taskrunner.stores.base import NewTask, Store, StoredSchedule

_BATCH = 100
# A run of a conditional schedule made by so much too late still knows the one before it.
_KEPT_BEYOND = timedelta(days=1)
# A schedule that this version cannot read is looked at again after this time.
_UNREADABLE_AGAIN = timedelta(hours=1)


class Scheduler(Service):
    """One turn: a batch of the schedules that are due."""

    def __init__(
        self, store: Store, events: Events, clock: Clock, rules: TaskSettings, settings: SchedulerSettings
    ) -> None:
        super().__init__("scheduler", events)
        self._store = store
        self._clock = clock
        self._rules = rules
        self._settings = settings

    async def turn(self) -> float:
        now = self._clock.now()
        due = await self._store.due_schedules(now=now, limit=_BATCH)
        for found in due:
            await self._advance(found, now)
        return 0.0 if len(due) >= _BATCH else self._settings.poll_interval

    async def _advance(self, found: StoredSchedule, now: datetime) -> None:
        try:
            schedule = decode_schedule(found.encoded)
        except ValueError as exc:
            await self._put_off(found, exc, now)
            return
        tasks: list[NewTask] = []
        try:
            planned = await self._plan(schedule, now)
            tasks = await self._tasks(schedule, planned, now)
            schedule = _moved(schedule, planned, tasks)
        except TaskInvalid as exc:
            schedule = self._failed(schedule, str(exc), next_at=schedule.timetable.after(now))
        except ValueError as exc:
            # This machine does not know the time zone (any more): a human has to look, and to resume it.
            schedule = replace(self._failed(schedule, str(exc), next_at=None), paused=True)
        if await self._store.save_schedule(stored(schedule), expected=found.version, tasks=tasks) and tasks:
            self._events.emit(TasksAccepted(count=len(tasks)))

    async def _plan(self, schedule: Schedule, now: datetime) -> Plan:
        planned = plan(schedule, now=now, grace=self._settings.grace, catch_up=self._settings.catch_up)
        if schedule.overlap is Overlap.SKIP and schedule.last_task_id is not None:
            last = await self._store.get(schedule.last_task_id)
            if last is not None and last.status not in TERMINAL:
                return replace(planned, slots=())
        return planned

    async def _tasks(self, schedule: Schedule, planned: Plan, now: datetime) -> list[NewTask]:
        if not planned.slots:
            return []
        draft = task_draft(schedule, self._rules.limits)
        before = await self._run_before(schedule)
        tasks: list[NewTask] = []
        for slot in planned.slots:
            task_id = slot_task_id(schedule.name, slot)
            run_at = slot + slot_delay(task_id, schedule.jitter)
            task = replace(draft.to_task(self._rules, task_id=task_id, now=now), run_at=run_at)
            if schedule.conditional:
                task = _conditional(task, before, planned.next_at)
            tasks.append(
                NewTask.of(
                    task,
                    due=run_at,
                )
            )
        return tasks

    async def _run_before(self, schedule: Schedule) -> Record | None:
        if not schedule.conditional or schedule.last_task_id is None:
            return None
        return await self._store.get(schedule.last_task_id)

    def _failed(self, schedule: Schedule, error: str, *, next_at: datetime | None) -> Schedule:
        self._events.emit(ScheduleFailed(name=schedule.name, error=error))
        return replace(schedule, error=error, next_at=next_at)

    async def _put_off(self, found: StoredSchedule, exc: ValueError, now: datetime) -> None:
        """What a newer version wrote is left as it is, and must not hold up the others."""
        self._events.emit(ScheduleFailed(name=found.name, error=f"cannot be read: {exc}"))
        later = replace(found, version=f"{found.version}+", next_at=now + _UNREADABLE_AGAIN)
        await self._store.save_schedule(later, expected=found.version)


def _conditional(task: Task, before: Record | None, next_at: datetime | None) -> Task:
    """`task`, which asks by what the run `before` it left, and stays until the next has looked at it."""
    return replace(
        task,
        validators=None if before is None else validators_after(before, task),
        keep_until=None if next_at is None else next_at + _KEPT_BEYOND,
    )


def _moved(schedule: Schedule, planned: Plan, tasks: Sequence[NewTask]) -> Schedule:
    moved = replace(schedule, next_at=planned.next_at)
    if not tasks:
        return moved
    return replace(moved, error=None, last_at=planned.slots[-1], last_task_id=tasks[-1].id)
