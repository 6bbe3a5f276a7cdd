"""The view of a schedule."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from taskrunner.api.views.view import View
from taskrunner.domain.json_text import join, members
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.schedules.schedule import MissedPolicy, Overlap, Schedule
from taskrunner.domain.tasks.masked_data import masked_data
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime

_NEXT_RUNS = 5


class ScheduleView(View):
    """A cron schedule and what it has done. `task` is as submitted, without its body and secrets.

    `next_runs` are its next five slots; there are none while it is paused.
    """

    name: str
    cron: str
    time_zone: str
    missed: MissedPolicy
    overlap: Overlap
    jitter: float
    conditional: bool
    paused: bool
    next_at: AwareDatetime | None
    next_runs: Sequence[AwareDatetime]
    last_at: AwareDatetime | None
    last_task_id: str | None
    last_task_url: str | None
    error: str | None
    task: Mapping[str, Any]
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @classmethod
    def of(cls, schedule: Schedule, masking: Masking, *, prefix: str = "") -> Self:
        """`prefix` goes before the paths of links."""
        last = schedule.last_task_id
        last_url = None if last is None else f"{prefix}/tasks/{last}"
        return cls.copy(
            schedule,
            last_task_url=last_url,
            task=_template(schedule.task, masking),
            next_runs=schedule.next_slots(_NEXT_RUNS),
        )


class ScheduleRunView(View):
    """A slot that has passed. Without a `status` it did not run, or its task is not kept any more."""

    slot: AwareDatetime
    task_id: str
    status: Status | None
    finished_at: AwareDatetime | None


class ScheduleRunsView(View):
    """The last slots of a schedule, the oldest first. Tasks by `run` are not among them."""

    name: str
    runs: Sequence[ScheduleRunView]


class ScheduleRunsPage(View):
    """A part of a list, by the names of the schedules; `next_cursor` asks for the next part."""

    schedules: Sequence[ScheduleRunsView]
    next_cursor: str | None


class TimetableView(View):
    """The next slots of a cron expression in a time zone."""

    cron: str
    time_zone: str
    slots: Sequence[AwareDatetime]


class SchedulePage(View):
    """A part of a list, by name; `next_cursor` asks for the next part."""

    schedules: Sequence[ScheduleView]
    next_cursor: str | None


def _template(text: str, masking: Masking) -> Mapping[str, Any]:
    """The fields of the task; in place of its body, which may be secret, there is `has_body`."""
    template = members(text, opaque="body")
    data = template.pop("data", None)
    bodies = [template.pop(name, "null") for name in ("body", "body_base64")]
    shown: dict[str, Any] = json.loads(join(template))
    if "headers" in shown:
        shown["headers"] = masking.headers(shown["headers"])
    if shown.get("url"):
        shown["url"] = masked_url(shown["url"])
    if data is not None:
        shown["data"] = msgspec.Raw(masked_data(data).encode("utf-8", "replace"))
    if shown.get("callback"):
        shown["callback"] = {**shown["callback"], "url": masked_url(shown["callback"]["url"])}
    return {**shown, "has_body": bodies != ["null", "null"]}
