"""A schedule draft: a schedule as a client submits it, checked."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, field_validator

from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import FieldError, ScheduleInvalid, TaskInvalid
from taskrunner.domain.json_fields import OrNull
from taskrunner.domain.json_text import (
    BOM,
    MAX_DEPTH,
    JsonUnfit,
    decode,
    join,
    members,
    merge_fields,
    set_aside,
)
from taskrunner.domain.resource_name import ResourceName
from taskrunner.domain.schedules.schedule import MissedPolicy, Overlap, Schedule
from taskrunner.domain.schedules.timetable import check_cron, check_time_zone, cron_pattern
from taskrunner.domain.tasks.cache_validators import CONDITIONS, METHODS
from taskrunner.domain.tasks.submitter import without_namespace
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.validation import excess, field_errors

# Fields that the schedule sets for each run. Nobody waits for an answer, so no write concern either.
PER_RUN_FIELDS = ("id", "delay", "run_at", "expires_at", "write_concern", "traceparent")
_DAY = 86_400.0
# By its name among the schemas of the API, which `api.openapi` makes: a `TaskDraft` without those fields.
TEMPLATE = "TaskTemplate"
# pydantic would look for a bare `$ref` among its own.
_TASK_SCHEMA: dict[str, Any] = {"allOf": [{"$ref": f"#/components/schemas/{TEMPLATE}"}]}


class ScheduleDraft(BaseModel):
    """The fields of `POST /schedules`; for `PUT` the name is in the path."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: ResourceName | None = None
    cron: Annotated[str, Field(json_schema_extra={"pattern": cron_pattern(), "examples": ["0 8 * * 1-5"]})]
    time_zone: Annotated[str, OrNull()] = "UTC"
    missed: Annotated[MissedPolicy, OrNull()] = MissedPolicy.ONCE
    overlap: Annotated[Overlap, OrNull()] = Overlap.ALLOW
    jitter: Annotated[Duration, Field(ge=0, le=_DAY), OrNull()] = 0.0
    conditional: Annotated[bool, OrNull()] = False
    task: Annotated[str, WithJsonSchema(_TASK_SCHEMA)]

    @classmethod
    def from_json(cls, raw: bytes | str, limits: TaskLimits) -> Self:
        """Parse one JSON object. Raises `ScheduleInvalid` with all findings."""
        given = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        if too_much := excess(given, {"task"}):
            raise ScheduleInvalid([too_much])
        try:
            document, is_object = set_aside(given.removeprefix(BOM), "task", depth=MAX_DEPTH + 1)
            draft = cls.model_validate_json(document)
        except JsonUnfit as exc:
            raise ScheduleInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise ScheduleInvalid(field_errors(exc, cls.model_fields, {"task"})) from exc
        if not is_object or not draft.task.startswith("{"):
            raise ScheduleInvalid([FieldError(field="task", message="must be an object")])
        draft.check_task(limits)
        return draft

    @classmethod
    def patched(cls, schedule: Schedule, patch: bytes, limits: TaskLimits) -> Self:
        """The draft of `schedule` after a JSON merge patch (RFC 7396). Raises `ScheduleInvalid`."""
        try:
            changes = members(decode(patch), is_shallow=True)
            if changes.pop("name", None) not in {None, json.dumps(without_namespace(schedule.name))}:
                raise ScheduleInvalid([FieldError(field="name", message="cannot be changed")])
            known = {
                each: json.dumps(getattr(schedule, each))
                for each in cls.model_fields
                if each not in {"name", "task"}
            }
            merged = merge_fields(join({**known, "task": schedule.task}), join(changes), cls.model_fields)
        except JsonUnfit as exc:
            raise ScheduleInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        return cls.from_json(merged, limits)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], limits: TaskLimits) -> Self:
        """As `from_json`, from Python values that JSON can hold."""
        return cls.from_json(json.dumps(fields, ensure_ascii=False, separators=(",", ":")), limits)

    def check_task(self, limits: TaskLimits) -> None:
        """Raises `ScheduleInvalid` unless `task` is a valid template."""
        try:
            given = members(self.task, is_shallow=True)
            errors = [
                FieldError(
                    field=f"task.{name}", message="is set for each run and cannot be given in a schedule"
                )
                for name in PER_RUN_FIELDS
                if name in given
            ]
            errors = errors or self._condition_errors(TaskDraft.from_json(self.task, limits))
        except JsonUnfit as exc:
            errors = [FieldError(field=f"task.{exc.path}".rstrip("."), message=exc.reason)]
        except TaskInvalid as exc:
            errors = [
                FieldError(field=f"task.{error.field}".rstrip("."), message=error.message)
                for error in exc.errors
            ]
        if errors:
            raise ScheduleInvalid(errors)

    def _condition_errors(self, draft: TaskDraft) -> list[FieldError]:
        if not self.conditional:
            return []
        if draft.executor is not None:
            return [FieldError(field="conditional", message="is for tasks that have a URL of their own")]
        if draft.method not in METHODS:
            return [
                FieldError(
                    field="conditional", message=f"is for GET and HEAD; the task's method is {draft.method}"
                )
            ]
        return [
            FieldError(field=f"task.headers.{name}", message="is set by the schedule, which is conditional")
            for name in draft.headers
            if name.lower() in CONDITIONS
        ]

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        return check_cron(value)

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, value: str) -> str:
        return check_time_zone(value)

    def to_schedule(self, name: str, *, now: datetime) -> Schedule:
        """A new schedule, not paused, that starts with the next slot."""
        given = self.__dict__ | {"name": name}
        schedule = Schedule(**given, created_at=now, updated_at=now, timetable_since=now)
        return schedule.resumed(now)
