"""A webhook draft: the webhook that a client asks for, checked."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from taskrunner.domain.api_key import NAME_PATTERN as KEY_NAME
from taskrunner.domain.api_key import read_name
from taskrunner.domain.callback import CallbackDefaults
from taskrunner.domain.callback_draft import CallbackDraft
from taskrunner.domain.errors import FieldError, WebhookInvalid
from taskrunner.domain.json_fields import OrNull, QueueName
from taskrunner.domain.json_text import JsonUnfit, decode, members
from taskrunner.domain.messages import shown
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.queue import check_queue_name
from taskrunner.domain.schedule_draft import NAME_PATTERN
from taskrunner.domain.task_filter import TaskFilter, read_label
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.validation import field_errors
from taskrunner.domain.webhook import Webhook

_MAX_LABELS = 32
# What `read_label` takes.
_Label = Annotated[str, Field(json_schema_extra={"pattern": "^[^=]"})]
_CREATED_BY = f"^(?:{KEY_NAME.pattern})$"


class WebhookConditions(BaseModel):
    """The conditions of `GET /tasks` that the end of a task can be judged by. All must hold.

    `label` has texts such as `team=red`, or `team` for any value.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    label: Annotated[list[_Label], Field(max_length=_MAX_LABELS), OrNull()] = Field(default_factory=list)
    queue: QueueName | None = None
    host: Annotated[str, Field(min_length=1, max_length=300)] | None = None
    outcome: OutcomeKind | None = None
    created_by: Annotated[str, Field(json_schema_extra={"pattern": _CREATED_BY})] | None = None

    @field_validator("label")
    @classmethod
    def _label(cls, value: list[str]) -> list[str]:
        for each in value:
            read_label(each)
        return value

    @field_validator("queue")
    @classmethod
    def _queue(cls, value: str | None) -> str | None:
        return None if value is None else check_queue_name(value)

    @field_validator("created_by")
    @classmethod
    def _created_by(cls, value: str | None) -> str | None:
        return None if value is None else read_name(value)

    def to_filter(self, namespace: str) -> TaskFilter:
        """The filter over the tasks of a namespace."""
        return TaskFilter(
            namespace=namespace,
            labels=dict(map(read_label, self.label)),
            queue=self.queue,
            host=None if self.host is None else self.host.lower(),
            outcome=self.outcome,
            created_by=self.created_by,
        )


class WebhookDraft(CallbackDraft):
    """The fields of `POST /webhooks`: those of a callback, and which tasks it is for."""

    name: Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN.pattern}$"})] | None = None
    filter: Annotated[WebhookConditions, OrNull()] = Field(default_factory=WebhookConditions)
    enabled: Annotated[bool, OrNull()] = True

    @classmethod
    def from_json(cls, raw: bytes, limits: TaskLimits) -> Self:
        """Parse one JSON object. Raises `WebhookInvalid` with all findings."""
        try:
            text = decode(raw)
            members(text)
            return cls.model_validate_json(text, context=limits)
        except JsonUnfit as exc:
            raise WebhookInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise WebhookInvalid(field_errors(exc, cls.model_fields)) from exc

    @field_validator("name")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        if value is not None and not NAME_PATTERN.fullmatch(value):
            raise ValueError(f"must be 1 to 64 letters, digits or ._-, got {shown(value)}")
        return value

    def to_webhook(
        self, name: str, defaults: CallbackDefaults, *, namespace: str, created_by: str | None, now: datetime
    ) -> Webhook:
        """A new webhook of this stored name."""
        return Webhook(
            name=name,
            callback=self.resolve(defaults),
            task_filter=self.filter.to_filter(namespace),
            enabled=self.enabled,
            created_by=created_by,
            created_at=now,
            updated_at=now,
        )
