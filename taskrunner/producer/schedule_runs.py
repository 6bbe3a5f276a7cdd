"""What the last slots of schedules came to.

The id of a slot's task follows from the name and the slot, so the tasks are read by their ids, in one read
for all schedules, however many tasks there are. A task by `run` has an id of its own, and is not among them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.schedules.schedule import Schedule, slot_task_id
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value
from taskrunner.stores.operator_store import OperatorStore


class ScheduleRun(Value):
    """A slot that has passed. Without a `status` it did not run, or its task is not kept any more."""

    slot: datetime
    task_id: str
    status: Status | None
    finished_at: datetime | None


class ScheduleRuns(Value):
    """The last slots of a schedule, the oldest first."""

    name: str
    runs: tuple[ScheduleRun, ...]


async def schedule_runs(
    store: OperatorStore, schedules: Sequence[Schedule], *, count: int, now: datetime
) -> list[ScheduleRuns]:
    """Of each schedule, up to `count` slots. Raises `StoreUnavailable`."""
    slots = []
    for each in schedules:
        slots.append((each, each.past_slots(count, now=now)))
        # Twenty slots of a rare expression take some 3 ms: others go on between two schedules.
        await asyncio.sleep(0)
    ids = [slot_task_id(schedule.name, slot) for schedule, passed in slots for slot in passed]
    found = await store.get_many(ids)
    return [
        ScheduleRuns(name=schedule.name, runs=tuple(_run(schedule, slot, found) for slot in passed))
        for schedule, passed in slots
    ]


def _run(schedule: Schedule, slot: datetime, found: Mapping[str, Record]) -> ScheduleRun:
    task_id = slot_task_id(schedule.name, slot)
    record = found.get(task_id)
    return ScheduleRun(
        slot=slot,
        task_id=task_id,
        status=None if record is None else record.status,
        finished_at=None if record is None else record.finished_at,
    )
