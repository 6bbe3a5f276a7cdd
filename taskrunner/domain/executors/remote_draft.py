"""Requests of remote workers over HTTP, checked."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import FieldError, LeaseInvalid
from taskrunner.domain.executors.remote_lease import (
    TOKEN_PATTERN,
    WORKER_PATTERN,
    check_token,
    check_worker_name,
)
from taskrunner.domain.json_fields import OrNull, WholeNumber
from taskrunner.domain.json_text import BOM, JsonUnfit, set_any_aside
from taskrunner.domain.retries.retry_policy import MAX_DELAY
from taskrunner.domain.validation import field_errors

# The most tasks that one request leases, and so the most deliveries that a process keeps from others.
MOST_TASKS = 200
# The data of the tasks that one request leases, unless the first alone has more. A gRPC client takes messages
# of 4 MiB unless it is told otherwise, and would never see leases in a larger one.
MOST_DATA_BYTES = 3 * 1024 * 1024
_MAX_TEXT = 10_000
Token = Annotated[str, Field(json_schema_extra={"pattern": TOKEN_PATTERN}), AfterValidator(check_token)]
Worker = Annotated[
    str, Field(json_schema_extra={"pattern": WORKER_PATTERN}), AfterValidator(check_worker_name)
]


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object; a `result` stays as it was written. Raises `LeaseInvalid`."""
        try:
            return cls.model_validate_json(set_any_aside(raw.removeprefix(BOM), "result"))
        except JsonUnfit as exc:
            raise LeaseInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise LeaseInvalid(field_errors(exc, cls.model_fields, {"token", "result"})) from exc


class LeaseDraft(_Draft):
    """Up to `max_tasks` tasks for this worker, which waits up to `wait` seconds for the first.

    A wait that is longer than `Api.max_wait` is cut to it.
    """

    worker: Worker
    max_tasks: Annotated[WholeNumber, OrNull()] = Field(default=1, ge=1, le=MOST_TASKS)
    wait: Duration | None = Field(default=None, ge=0)


class ProgressDraft(_Draft):
    """The progress of an attempt: `fraction` from 0 to 1."""

    fraction: Annotated[float, Field(allow_inf_nan=False)] = Field(ge=0, le=1)
    message: Annotated[str, Field(max_length=_MAX_TEXT), OrNull()] = ""


class HeartbeatDraft(_Draft):
    """The attempt of this token still runs."""

    token: Token
    progress: ProgressDraft | None = None


class EndStatus(StrEnum):
    """How an attempt ended, as its worker reports it."""

    COMPLETED = "completed"
    FAILED = "failed"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"


# The fields that say more about an end of this kind.
_FIELDS = {
    EndStatus.COMPLETED: {"result"},
    EndStatus.FAILED: {"error", "final", "retry_after"},
    EndStatus.SNOOZED: {"delay", "reason"},
    EndStatus.CANCELLED: {"reason"},
}
_Text = Annotated[str, Field(max_length=_MAX_TEXT)]


_NULL, _GIVEN = {"type": "null"}, {"not": {"type": "null"}}


def _demands(status: EndStatus) -> dict[str, Any]:
    """What `StatusDraft` checks across fields, in JSON Schema, for this status."""
    others = set().union(*_FIELDS.values()) - _FIELDS[status]
    then: dict[str, Any] = {"properties": dict.fromkeys(sorted(others), _NULL)}
    if status is EndStatus.SNOOZED:
        then["required"] = ["delay", "token"]
        then["properties"] |= {"delay": _GIVEN, "token": _GIVEN}
    return {"if": {"required": ["status"], "properties": {"status": {"const": status.value}}}, "then": then}


class StatusDraft(_Draft):
    """The end of the attempt of this `token`; without one, of a task that waits.

    `result` is any JSON; null is the same as none. A task that `failed` is tried again as its retry policy
    has it, after `retry_after` seconds, or not at all if the failure is `final`. `snoozed` puts it off for
    `delay` seconds.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"allOf": [_demands(each) for each in EndStatus]}
    )

    status: EndStatus
    token: Token | None = None
    result: Annotated[str | None, WithJsonSchema({"description": "Any JSON.", "default": None})] = None
    error: _Text | None = None
    final: bool | None = None
    retry_after: Duration | None = Field(default=None, ge=0, le=MAX_DELAY)
    delay: Duration | None = Field(default=None, ge=0, le=MAX_DELAY)
    reason: _Text | None = None

    @field_validator("result")
    @classmethod
    def _result(cls, value: str | None) -> str | None:
        return None if value is None or value.strip() == "null" else value

    @model_validator(mode="after")
    def _fit(self) -> Self:
        given: dict[str, Any] = {name: getattr(self, name) for name in set().union(*_FIELDS.values())}
        for name, value in sorted(given.items()):
            if value is not None and name not in _FIELDS[self.status]:
                raise ValueError(f"{name} does not go with the status {self.status}")
        if self.status is EndStatus.SNOOZED and self.delay is None:
            raise ValueError("snoozed needs a delay")
        if self.status is EndStatus.SNOOZED and self.token is None:
            raise ValueError("only an attempt is snoozed: give the token of its lease")
        return self
