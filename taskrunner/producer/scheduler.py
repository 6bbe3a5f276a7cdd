"""The scheduler creates the tasks of schedules that are due, and moves each schedule to its next slot.

Both happen in one atomic step of the store, conditional on the schedule's version: any number of schedulers
may run, and one may die at any point. The relay publishes the tasks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ExecutorDisabled, TaskInvalid
from taskrunner.domain.events import Events, ScheduleFailed, TasksAccepted, TasksDeleted
from taskrunner.domain.schedules.schedule import (
    Overlap,
    Schedule,
    SlotPlan,
    decode_schedule,
    plan,
    slot_delay,
    slot_task_id,
)
from taskrunner.domain.tasks.cache_validators import validators_after
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.tasks.submitter import stored_dedup_key
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.deduplication import Deduplication
from taskrunner.producer.schedule_admin import draft_of, stored_form
from taskrunner.producer.settings import SchedulerSettings
from taskrunner.runtime.service import Service
from taskrunner.stores.base import AcceptAnswer, NewTask, Store, StoredSchedule

_BATCH = 100
# How long the record of a run outlives the next slot, so that a late run still finds its validators.
_KEPT_BEYOND = timedelta(days=1)
# A schedule that this version cannot read is tried again after this time.
_UNREADABLE_AGAIN = timedelta(hours=1)


class Scheduler(Service):
    """One turn advances a batch of due schedules."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        task_settings: TaskSettingsSource,
        settings: SchedulerSettings,
        webhooks: WebhookSource,
        retention: RetentionSettings = RetentionSettings(),  # noqa: B008 - frozen, so it may be shared
    ) -> None:
        super().__init__("scheduler", events)
        self._store = store
        self._clock = clock
        self._task_settings = task_settings
        self._settings = settings
        self._retention = retention
        self._deduplication = Deduplication(store, events, clock, retention, webhooks)

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
        created: list[str] = []
        try:
            planned = await self._plan(schedule, now)
            planned_tasks = await self._tasks(schedule, planned, now)
            tasks = [each for each in planned_tasks if each.dedup_key is None]
            accepted, created = await self._accept(
                [each for each in planned_tasks if each.dedup_key is not None]
            )
            schedule = _advanced(schedule, planned, [*accepted, *tasks])
        except (TaskInvalid, ExecutorDisabled) as exc:
            schedule = self._failed(schedule, str(exc), next_at=schedule.timetable.after(now))
        except ValueError as exc:
            # This machine does not know the time zone: an operator must fix that and resume the schedule.
            schedule = replace(self._failed(schedule, str(exc), next_at=None), paused=True)
        if await self._store.save_schedule(stored_form(schedule), expected=found.version, tasks=tasks):
            if tasks:
                self._events.emit(TasksAccepted(count=len(tasks)))
        elif created and await self._store.schedule(found.name) is None:
            await self._take_back(created, now)

    async def _take_back(self, created: Sequence[str], now: datetime) -> None:
        """The schedule was deleted before its tasks were accepted: no slot of it may start any more."""
        keep = self._retention.keep(Status.CANCELLED)
        done = await self._store.delete(created, now=now, retention=keep, status=Status.SCHEDULED)
        if any(done):
            self._events.emit(TasksDeleted(count=sum(done)))

    async def _accept(self, tasks: Sequence[NewTask]) -> tuple[list[NewTask], list[str]]:
        """Accept tasks with a dedup key before their schedule advances.

        Answers those that are there then, and the ids of those that were not there before.

        Their ids are those of their slots: a scheduler that dies in between, or a second one, accepts none
        twice.
        """
        if not tasks:
            return [], []
        answers = await self._store.accept(tasks)
        created = sum(each.answer is AcceptAnswer.CREATED for each in answers)
        if created:
            self._events.emit(TasksAccepted(count=created))
        answers = await self._deduplication.resolve(tasks, answers)
        there = {each.id for each in answers if each.answer in {AcceptAnswer.CREATED, AcceptAnswer.EXISTS}}
        made = [each.id for each in answers if each.answer is AcceptAnswer.CREATED]
        return [new for new in tasks if new.id in there], made

    async def _plan(self, schedule: Schedule, now: datetime) -> SlotPlan:
        planned = plan(schedule, now=now, grace=self._settings.grace, catch_up=self._settings.catch_up)
        if schedule.overlap is Overlap.SKIP and schedule.last_task_id is not None:
            last = await self._store.get(schedule.last_task_id)
            if last is not None and last.status not in TERMINAL:
                return replace(planned, slots=())
        return planned

    async def _tasks(self, schedule: Schedule, planned: SlotPlan, now: datetime) -> list[NewTask]:
        if not planned.slots:
            return []
        draft = draft_of(schedule, self._task_settings.current.limits)
        previous = await self._previous_run(schedule)
        tasks: list[NewTask] = []
        for slot in planned.slots:
            task_id = slot_task_id(schedule.name, slot)
            run_at = slot + slot_delay(task_id, schedule.jitter)
            task = replace(
                draft.to_task(self._task_settings.current, task_id=task_id, now=now), run_at=run_at
            )
            if schedule.submitter is not None:
                task = schedule.submitter.owned(task)
            if schedule.conditional:
                task = _conditional(task, previous, planned.next_at)
            tasks.append(NewTask.of(task, due=run_at, dedup_key=stored_dedup_key(task, schedule.submitter)))
        return tasks

    async def _previous_run(self, schedule: Schedule) -> Record | None:
        if not schedule.conditional or schedule.last_task_id is None:
            return None
        return await self._store.get(schedule.last_task_id)

    def _failed(self, schedule: Schedule, error: str, *, next_at: datetime | None) -> Schedule:
        self._events.emit(ScheduleFailed(name=schedule.name, error=error))
        return replace(schedule, error=error, next_at=next_at)

    async def _put_off(self, found: StoredSchedule, exc: ValueError, now: datetime) -> None:
        """A schedule that a newer version wrote is left as it is, and must not block the others."""
        self._events.emit(ScheduleFailed(name=found.name, error=f"cannot be read: {exc}"))
        later = replace(found, version=f"{found.version}+", next_at=now + _UNREADABLE_AGAIN)
        await self._store.save_schedule(later, expected=found.version)


def _conditional(task: Task, previous: Record | None, next_at: datetime | None) -> Task:
    """`task` with the validators of the previous run, kept until the next run has read it."""
    return replace(
        task,
        validators=None if previous is None else validators_after(previous, task),
        keep_until=None if next_at is None else next_at + _KEPT_BEYOND,
    )


def _advanced(schedule: Schedule, planned: SlotPlan, tasks: Sequence[NewTask]) -> Schedule:
    advanced = replace(schedule, next_at=planned.next_at)
    if not tasks:
        return advanced
    return replace(advanced, error=None, last_at=planned.slots[-1], last_task_id=tasks[-1].id)
