"""A schedule: a task that runs at the slots of a timetable, and what happens to missed slots."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

from taskrunner.domain.codec import Decoder
from taskrunner.domain.schedules.timetable import Timetable
from taskrunner.domain.tasks.submitter import Submitter, without_namespace
from taskrunner.domain.value import Value, replace

# The label by which the tasks of a schedule are found.
LABEL = "schedule"


class MissedPolicy(StrEnum):
    """What happens to slots that passed while no scheduler ran or the store was away."""

    SKIP = "skip"  # they never run
    ONCE = "once"  # the last one runs, unless another slot is in time
    ALL = "all"  # all run, up to the latest `catch_up`


class Overlap(StrEnum):
    """Whether a slot runs while the task of the previous slot has not ended."""

    ALLOW = "allow"
    SKIP = "skip"


class Schedule(Value):
    """`task` is JSON as it came, with the fields of `POST /tasks`.

    A run is late by a random time of up to `jitter` seconds.

    `conditional`: each run fetches only a version newer than that of the previous run. `next_at` is the next
    slot, None while paused. `timetable_since` is when it got its `cron` and `time_zone`. `created_by` is the
    API key that it was created with. `last_at` and `last_task_id` are those of the last slot that ran;
    `error` is why the slot after it did not.
    """

    name: str
    cron: str
    time_zone: str = "UTC"
    missed: MissedPolicy = MissedPolicy.ONCE
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    conditional: bool = False
    task: str
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
    timetable_since: datetime
    paused: bool = False
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_task_id: str | None = None
    error: str | None = None

    @property
    def submitter(self) -> Submitter | None:
        """Whose tasks it makes."""
        if self.created_by is None:
            return None
        return Submitter(name=self.created_by, isolated=without_namespace(self.name) != self.name)

    @property
    def timetable(self) -> Timetable:
        """Raises `ValueError` when this machine does not know the time zone."""
        return Timetable(self.cron, self.time_zone)

    def next_slots(self, count: int) -> list[datetime]:
        """The slots from `next_at` on; none while paused, or if this machine does not know the time zone."""
        if self.next_at is None:
            return []
        try:
            return self.timetable.first(count, since=self.next_at)
        except ValueError:
            return []

    def past_slots(self, count: int, *, now: datetime) -> list[datetime]:
        """The last `count` slots since `timetable_since`; none if this machine does not know the zone."""
        try:
            return self.timetable.between(self.timetable_since, now, count)
        except ValueError:
            return []

    def resumed(self, now: datetime) -> "Schedule":
        """Continues with the next slot; slots that passed during the pause do not count as missed."""
        return replace(self, paused=False, error=None, next_at=self.timetable.after(now))


class SlotPlan(Value):
    """The slots that run now, in order, and the next slot."""

    slots: tuple[datetime, ...]
    next_at: datetime | None


def plan(schedule: Schedule, *, now: datetime, grace: float, catch_up: int) -> SlotPlan:
    """The plan of a schedule whose `next_at` has come. A slot up to `grace` seconds ago is in time.

    Raises `ValueError` when this machine does not know the time zone.
    """
    timetable = schedule.timetable
    passed = timetable.between(schedule.next_at or now, now, catch_up)
    in_time = [slot for slot in passed if now - slot <= timedelta(seconds=grace)]
    slots = {
        MissedPolicy.SKIP: in_time,
        MissedPolicy.ONCE: in_time or passed[-1:],
        MissedPolicy.ALL: passed,
    }[schedule.missed]
    if schedule.overlap is Overlap.SKIP:
        slots = slots[-1:]
    return SlotPlan(slots=tuple(slots), next_at=timetable.after(now))


def slot_task_id(name: str, slot: datetime) -> str:
    """The id of a slot's task, the same in every scheduler."""
    return f"{name}-{slot:%Y%m%dT%H%M%SZ}"


def slot_delay(task_id: str, jitter: float) -> timedelta:
    """The random delay of a slot's task, the same in every scheduler."""
    share = int.from_bytes(hashlib.sha256(task_id.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=round(jitter * share, 3))


_SCHEDULE: Decoder[Schedule] = Decoder(Schedule)


def decode_schedule(encoded: bytes) -> Schedule:
    """The inverse of `codec.encode`. Raises `ValueError`."""
    return _SCHEDULE.decode(encoded)
