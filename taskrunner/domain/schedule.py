"""A schedule: a task that runs at the slots of a timetable, and what becomes of slots that were missed."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.timetable import Timetable
from taskrunner.domain.value import Value, replace

# The label by which the tasks of a schedule are found.
LABEL = "schedule"


class MissedPolicy(StrEnum):
    """What becomes of slots that passed while nobody could look: no scheduler ran, or no store."""

    SKIP = "skip"  # they are passed over
    ONCE = "once"  # the last of them runs, unless a slot runs in time anyway
    ALL = "all"  # each runs, the latest `catch_up` of them


class Overlap(StrEnum):
    """Whether a slot runs while the task of the slot before has not ended."""

    ALLOW = "allow"
    SKIP = "skip"


class Schedule(Value):
    """`task` has the fields of `POST /tasks`; `jitter` is the most seconds by which a run is late, by chance.
    `conditional`: its runs ask only for what is newer than what the run before got.

    `next_at` is the slot that comes next, None while paused. `last_at` and `last_task_id` tell of the last
    slot that ran, `error` why the slot after it could not.
    """

    name: str
    cron: str
    time_zone: str = "UTC"
    missed: MissedPolicy = MissedPolicy.ONCE
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    conditional: bool = False
    task: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    paused: bool = False
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_task_id: str | None = None
    error: str | None = None

    @property
    def timetable(self) -> Timetable:
        """Raises `ValueError` when this machine does not know the time zone."""
        return Timetable(self.cron, self.time_zone)

    def resumed(self, now: datetime) -> "Schedule":
        """Going on with the next slot; those that passed while it was paused are no missed ones."""
        return replace(self, paused=False, error=None, next_at=self.timetable.after(now))


class Plan(Value):
    """The slots that are to run now, in order, and the one that comes next."""

    slots: tuple[datetime, ...]
    next_at: datetime | None


def plan(schedule: Schedule, *, now: datetime, grace: float, catch_up: int) -> Plan:
    """What a schedule whose `next_at` has come is to do. A slot up to `grace` seconds ago is in time.

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
    return Plan(slots=tuple(slots), next_at=timetable.after(now))


def slot_task_id(name: str, slot: datetime) -> str:
    """The id of the task of a slot: one and the same, whoever makes it."""
    return f"{name}-{slot:%Y%m%dT%H%M%SZ}"


def slot_delay(task_id: str, jitter: float) -> timedelta:
    """How late a slot's task runs: by chance, but the same by whoever asks."""
    share = int.from_bytes(hashlib.sha256(task_id.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=round(jitter * share, 3))


_SCHEDULE: Decoder[Schedule] = Decoder(Schedule)


def encode(schedule: Schedule) -> bytes:
    """The schedule as JSON, as stores keep it."""
    return encode(schedule)


def decode_schedule(encoded: bytes) -> Schedule:
    """The inverse of `encode`. Raises `ValueError`."""
    return _SCHEDULE.decode(encoded)
