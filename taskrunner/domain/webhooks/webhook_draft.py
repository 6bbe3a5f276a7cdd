"""A webhook draft: the webhook that a client asks for, checked."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from taskrunner.domain.codec import encode
from taskrunner.domain.draft_reading import draft_from_json
from taskrunner.domain.errors import FieldError, WebhookInvalid
from taskrunner.domain.executors.executor import NAME_PATTERN as EXECUTOR_NAME
from taskrunner.domain.json_fields import OrNull, QueueName
from taskrunner.domain.json_text import JsonUnfit, decode, join, members, merge_fields
from taskrunner.domain.keys.api_key import NAME_PATTERN as KEY_NAME
from taskrunner.domain.keys.api_key import read_name
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import check_queue_name
from taskrunner.domain.resource_name import ResourceName
from taskrunner.domain.tasks.callback import EVENTS, CallbackDefaults
from taskrunner.domain.tasks.callback_draft import ReceiverDraft, chosen_events
from taskrunner.domain.tasks.change import ChangeEvent
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.submitter import without_namespace
from taskrunner.domain.tasks.task_filter import TaskFilter, label_texts, read_label
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.webhooks.webhook import Webhook

_MAX_LABELS = 32
# What `read_label` takes.
_Label = Annotated[str, Field(json_schema_extra={"pattern": "^[^=]"})]
_Events = Annotated[list[ChangeEvent], Field(min_length=1)]
_CREATED_BY = f"^(?:{KEY_NAME.pattern})$"


class WebhookConditions(BaseModel):
    """The conditions of `GET /tasks` that the end of a task can be judged by. All must hold.

    `label` has texts such as `team=red`, or `team` for any value.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    label: Annotated[list[_Label], Field(max_length=_MAX_LABELS), OrNull()] = Field(default_factory=list)
    queue: QueueName | None = None
    executor: Annotated[str, Field(json_schema_extra={"pattern": f"^{EXECUTOR_NAME.pattern}$"})] | None = None
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

    @field_validator("executor")
    @classmethod
    def _executor(cls, value: str | None) -> str | None:
        # That of tasks with a URL is `http`.
        if value is not None and not EXECUTOR_NAME.fullmatch(value):
            raise ValueError(f"must be the name of an executor, got {shown(value)}")
        return value

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
            executor=self.executor,
            host=None if self.host is None else self.host.lower(),
            outcome=self.outcome,
            created_by=self.created_by,
        )


class WebhookDraft(ReceiverDraft):
    """The fields of `POST /webhooks`: where the reports go, of which events, and which tasks it is for."""

    name: ResourceName | None = None
    events: Annotated[tuple[ChangeEvent, ...], OrNull()] = tuple(map(ChangeEvent, EVENTS))
    filter: Annotated[WebhookConditions, OrNull()] = Field(default_factory=WebhookConditions)
    enabled: Annotated[bool, OrNull()] = True

    @field_validator("events", mode="before", json_schema_input_type=_Events | None)
    @classmethod
    def _events(cls, value: Any) -> Any:
        return chosen_events(value, tuple(ChangeEvent))

    @classmethod
    def from_json(cls, raw: bytes, limits: TaskLimits) -> Self:
        """Parse one JSON object. Raises `WebhookInvalid` with all findings."""
        return draft_from_json(cls, raw, WebhookInvalid, limits)

    @classmethod
    def patched(cls, webhook: Webhook, patch: bytes, limits: TaskLimits) -> Self:
        """The draft of `webhook` after a JSON merge patch (RFC 7396). Raises `WebhookInvalid`."""
        try:
            changes = members(decode(patch), is_shallow=True)
            if changes.pop("name", None) not in {None, json.dumps(without_namespace(webhook.name))}:
                raise WebhookInvalid([FieldError(field="name", message="cannot be changed")])
            merged = merge_fields(encode(cls.of(webhook)).decode(), join(changes), cls.model_fields)
        except JsonUnfit as exc:
            raise WebhookInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        return cls.from_json(merged.encode("utf-8", "surrogatepass"), limits)

    @staticmethod
    def of(webhook: Webhook) -> Mapping[str, object]:
        """The fields of which `webhook` was made, in their complete form."""
        callback, wanted = webhook.callback, webhook.task_filter
        return {
            **{name: getattr(callback, name) for name in ReceiverDraft.model_fields},
            "events": webhook.events,
            "enabled": webhook.enabled,
            "filter": {
                **{name: getattr(wanted, name) for name in WebhookConditions.model_fields if name != "label"},
                "label": label_texts(wanted),
            },
        }

    def to_webhook(
        self, name: str, defaults: CallbackDefaults, *, namespace: str, created_by: str | None, now: datetime
    ) -> Webhook:
        """A new webhook of this stored name."""
        return Webhook(
            name=name,
            callback=self.to_callback(tuple(end for end in EVENTS if str(end) in self.events), defaults),
            changes=tuple(event for event in self.events if str(event) not in EVENTS),
            task_filter=self.filter.to_filter(namespace),
            enabled=self.enabled,
            created_by=created_by,
            created_at=now,
            updated_at=now,
        )
