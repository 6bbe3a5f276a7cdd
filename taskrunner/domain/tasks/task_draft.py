"""A task draft: a task as a client submits it, checked. With the task settings it becomes a `Task`."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from taskrunner.domain.codec import encode
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.executors.executor_fields import REQUEST_OR_EXECUTOR, ExecutorFields
from taskrunner.domain.executors.executor_use import complete, settings_for
from taskrunner.domain.json_fields import OrNull, QueueName, UrlText, WholeNumber
from taskrunner.domain.json_text import BOM, JsonText, JsonUnfit, may_name, set_any_aside, set_aside
from taskrunner.domain.moment import Moment
from taskrunner.domain.retries.retry_draft import RetryDraft
from taskrunner.domain.retries.rules import MAX_RULES, MAX_RULES_BYTES, Rules, RulesUnreadable, Statuses
from taskrunner.domain.targets.credential import check_credential
from taskrunner.domain.targets.tls_profile import check_profile
from taskrunner.domain.targets.url import Url, parse_url
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.callback_draft import CallbackDraft, ProfileName
from taskrunner.domain.tasks.client_key import ClientKey
from taskrunner.domain.tasks.dedup_draft import DedupDraft
from taskrunner.domain.tasks.task import Priority, Redirects, Task
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_schemas import (
    BASE64_SCHEMA,
    BODY_SCHEMA,
    EXCLUSIVE_FIELDS,
    HEADERS_SCHEMA,
    ID_SCHEMA,
    METHOD_SCHEMA,
    ONE_OF_EACH,
)
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.tasks.trace import TRACEPARENT_PATTERN, read_traceparent
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.validation import excess, field_errors, limits_of, task_finding

# Error messages do not show the values of these fields: they may be secret.
_HIDDEN = frozenset({"headers", "body", "body_base64", "data"})
_ANY_JSON = frozenset({"body", "data"})
# The limit of a number, and its unit.
_LIMITED = {
    "delay": ("max_delay", " seconds"),
    "timeout": ("max_timeout", " seconds"),
    "max_attempts": ("max_attempts", ""),
}
# The fields of a draft that its task does not have. All others must also be fields of `Task`.
_DRAFT_ONLY = ("delay", "write_concern", "idempotency_key", "priority")
# The fields whose default is copied from `TaskDefaults` as it is.
_DEFAULTED = ("timeout", "max_attempts", "retry_unsafe")


class TaskDraft(ExecutorFields):
    """The fields of `POST /tasks`, of a JSONL line, and of a message from a foreign AMQP client.

    Unknown fields are refused, except in messages (`from_message`). The validation context is a `TaskLimits`.
    `to_task` copies each field to the field of `Task` with the same name.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"allOf": [REQUEST_OR_EXECUTOR, *ONE_OF_EACH]}
    )

    id: Annotated[str, WithJsonSchema(ID_SCHEMA)] | None = None
    url: UrlText | None = Field(default=None, validate_default=True)
    method: Annotated[str, Field(json_schema_extra=METHOD_SCHEMA), OrNull()] = "GET"
    headers: Annotated[dict[str, str], OrNull()] = Field(
        default_factory=dict, json_schema_extra=HEADERS_SCHEMA
    )
    body: Annotated[str | None, WithJsonSchema(BODY_SCHEMA)] = None
    body_base64: Annotated[
        str | None,
        Field(
            description="Bytes in Base64, without a Content-Type unless headers have one.",
            json_schema_extra=BASE64_SCHEMA,
        ),
    ] = None
    queue: QueueName | None = Field(default=None, description="By default the one of `priority`.")
    priority: Priority | None = Field(default=None, description="Picks a default queue, in place of `queue`.")
    delay: Duration | None = Field(default=None, ge=0)
    run_at: Moment | None = None
    expires_at: Moment | None = None
    dedup: DedupDraft | None = None
    fairness_key: ClientKey | None = Field(
        default=None, description="Tasks of different keys take turns for the workers. By default the host."
    )
    timeout: Duration | None = Field(default=None, gt=0)
    max_attempts: WholeNumber | None = Field(default=None, ge=1)
    retry: RetryDraft | None = None
    retry_on: Annotated[Statuses, OrNull()] = ()
    fail_on: Annotated[Statuses, OrNull()] = ()
    retry_unsafe: bool | None = None
    redirects: Annotated[Redirects, OrNull()] = Redirects.FOLLOW
    rules: Annotated[Rules, Field(max_length=MAX_RULES), OrNull()] = ()
    rules_unreadable: Annotated[RulesUnreadable, OrNull()] = RulesUnreadable.RETRY
    write_concern: WriteConcern | None = None
    labels: Annotated[dict[str, str], OrNull()] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"minLength": 1}}
    )
    tls: ProfileName = None
    auth: str | None = None
    callback: CallbackDraft | None = None
    traceparent: Annotated[str, Field(json_schema_extra={"pattern": TRACEPARENT_PATTERN})] | None = None

    @classmethod
    def from_json(cls, raw: bytes | str, limits: TaskLimits) -> Self:
        """Parse one JSON object. Raises `TaskInvalid` with all findings."""
        return cls._read(raw, limits, extra=None)

    @classmethod
    def _read(cls, raw: bytes | str, limits: TaskLimits, *, extra: Literal["ignore"] | None) -> Self:
        """An object or array in `body`, and whatever is in `data`, stays as it was written."""
        given = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        if too_much := excess(given, _ANY_JSON):
            raise TaskInvalid([too_much])
        try:
            # RFC 8259 8.1 allows to ignore a byte order mark.
            document = given.removeprefix(BOM)
            if may_name(document, "data"):
                document = set_any_aside(document, "data")
            document, is_json = set_aside(document, "body")
            draft = cls.model_validate_json(document, context=limits, extra=extra)
        except JsonUnfit as exc:
            raise TaskInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise TaskInvalid(field_errors(exc, cls.model_fields, _HIDDEN)) from exc
        if is_json and draft.body is not None:
            draft.body = JsonText(draft.body)
        if draft.data is not None:
            draft.data = JsonText(draft.data)
        return draft

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], limits: TaskLimits) -> Self:
        """As `from_json`, from Python values that JSON can hold."""
        # Not orjson: it turns NaN into null, which would pass for a field that was left out, and it raises
        # TypeError for command-line arguments that are not UTF-8.
        return cls.from_json(json.dumps(fields, ensure_ascii=False, separators=(",", ":")), limits)

    @classmethod
    def base(cls, fields: Mapping[str, Any], limits: TaskLimits) -> Self:
        """The fields that many tasks share, checked without a URL; `with_url` adds one.

        With an executor there is none to add.
        """
        sample = {} if "executor" in fields else {"url": "https://example.com/"}
        return cls.from_fields({**fields, **sample}, limits.without_targets())

    @classmethod
    def from_message(cls, raw: bytes, limits: TaskLimits) -> Self:
        """As `from_json`, but unknown fields are ignored: foreign clients add their own."""
        return cls._read(raw, limits, extra="ignore")

    def with_url(self, url: str, limits: TaskLimits) -> Self:
        """This draft with another URL. Raises `TaskInvalid`."""
        if self.executor is not None:
            message = f"is not for a task of an executor, {self.executor}; give a JSON object with its data"
            raise TaskInvalid([FieldError(field="url", message=message)])
        try:
            checked = task_fields.check_url(url, limits)
        except ValueError as exc:
            raise TaskInvalid([FieldError(field="url", message=str(exc))]) from exc
        self._check_profile("tls", self.tls, checked, limits)
        if self.callback is not None:
            self._check_profile("callback.tls", self.callback.tls, parse_url(self.callback.url), limits)
        if self.auth is not None:
            with task_finding("auth"):
                check_credential(self.auth, checked, self.headers, limits.credentials)
        return self.model_copy(update={"url": checked.text})

    @staticmethod
    def _check_profile(field: str, name: str | None, url: Url, limits: TaskLimits) -> None:
        if name is not None:
            with task_finding(field):
                check_profile(name, url, limits.tls_profiles)

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        return value if value is None else task_fields.check_id(value)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            return task_fields.check_url(value, limits_of(info)).text
        # An unusable name of an executor has its own finding.
        if info.data.get("executor", "") is None:
            raise ValueError("is required, unless executor is given")
        return None

    @field_validator("method")
    @classmethod
    def _method(cls, value: str) -> str:
        return task_fields.check_method(value)

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        task_fields.check_headers(value, limits_of(info))
        return value

    @field_validator("body", mode="before")
    @classmethod
    def _body(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str | None):
            raise ValueError("must be text, an object or an array")
        task_fields.check_size(value.encode() if value else b"", limits_of(info))
        return value

    @field_validator("body_base64")
    @classmethod
    def _body_base64(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            task_fields.check_size(task_fields.base64_content(value), limits_of(info))
        return value

    @field_validator(*_LIMITED)
    @classmethod
    def _within_limit(cls, value: float | None, info: ValidationInfo) -> float | None:
        name, unit = _LIMITED[info.field_name or ""]
        limit = getattr(limits_of(info), name)
        if value is not None and value > limit:
            raise ValueError(f"must be at most {limit:.12g}{unit}, got {value:.12g}")
        return value

    @field_validator("queue")
    @classmethod
    def _queue(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value if value is None else task_fields.check_queue(value, limits_of(info))

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        task_fields.check_labels(value, limits_of(info))
        return value

    @field_validator("auth")
    @classmethod
    def _auth(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Unusable URLs and headers have their own findings.
        if value is not None and (url := info.data.get("url")) is not None:
            headers = info.data.get("headers", {})
            check_credential(value, parse_url(url), headers, limits_of(info).credentials)
        return value

    @field_validator("traceparent")
    @classmethod
    def _traceparent(cls, value: str | None) -> str | None:
        known = None if value is None else read_traceparent(value)
        if value is not None and known is None:
            raise ValueError("must be version-trace-parent-flags in hex (W3C Trace Context)")
        return known

    @field_validator("write_concern", "redirects", "rules_unreadable", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("rules")
    @classmethod
    def _rules(cls, value: Rules) -> Rules:
        size_bytes = len(encode(value))
        if size_bytes > MAX_RULES_BYTES:
            raise ValueError(f"are {size_bytes} bytes long as JSON, at most {MAX_RULES_BYTES} are allowed")
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for one, other in EXCLUSIVE_FIELDS:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} and {other} are both given; give one of them")
        if self.executor is not None or self.data is not None:
            self.check_one()
        if both := sorted({*self.retry_on} & {*self.fail_on}):
            raise ValueError(f"retry_on and fail_on both have {both[0]}; give it to one of them")
        return self

    def effective_write_concern(self, settings: TaskSettings) -> WriteConcern:
        """The draft's write concern, or the default. Raises `TaskInvalid` if the store cannot keep it."""
        defaults = (settings if self.executor is None else settings_for(self.executor, settings)).defaults
        concern = self.write_concern or defaults.write_concern
        if concern not in settings.write_concerns:
            kept = ", ".join(each.value for each in WriteConcern if each in settings.write_concerns)
            message = f"{concern.value} cannot be kept by this store, which can: {kept}"
            raise TaskInvalid([FieldError(field="write_concern", message=message)])
        return concern

    def to_task(self, settings: TaskSettings, *, task_id: str, now: datetime) -> Task:
        """The complete task.

        Raises `TaskInvalid` for fields that only the policy, the executor or the time make wrong,
        `ExecutorDisabled`, and `StoreUnavailable` while the executors are not known.
        """
        run_at = self._run_at(settings.limits, now)
        own = settings if self.executor is None else settings_for(self.executor, settings)
        defaults, fields = own.defaults, self.__dict__.copy()
        for name in _DRAFT_ONLY:
            fields.pop(name, None)
        for name in _DEFAULTED:
            if fields[name] is None:
                fields[name] = getattr(defaults, name)
        fields["queue"] = str(self.queue or self.priority or defaults.queue)
        if self.queue or self.executor:
            # The draft, or the executor, may be older than the settings.
            with task_finding("queue"):
                task_fields.check_queue(fields["queue"], settings.limits)
        fields["headers"], fields["body"] = self._content()
        if self.executor is None:
            del fields["data"]
        else:
            complete(fields, self.model_fields_set, self.executor, settings)
        fields["id"] = self.id or task_id
        fields["created_at"] = now
        fields["run_at"] = run_at
        fields["retry"] = self.retry.resolve(defaults.retry) if self.retry else defaults.retry
        fields["dedup"] = self.dedup.resolve() if self.dedup else None
        fields["callback"] = self.callback.resolve(defaults.callback) if self.callback else None
        return Task(**fields)

    def _run_at(self, limits: TaskLimits, now: datetime) -> datetime | None:
        run_at = now + timedelta(seconds=self.delay) if self.delay else self.run_at
        if run_at is not None and (run_at - now).total_seconds() > limits.max_delay:
            message = f"must be at most {limits.max_delay:.0f} seconds away"
            raise TaskInvalid([FieldError(field="run_at", message=message)])
        if run_at is not None and self.expires_at is not None and self.expires_at <= run_at:
            message = f"must be later than the task's run_at, {run_at:%Y-%m-%dT%H:%M:%SZ}"
            raise TaskInvalid([FieldError(field="expires_at", message=message)])
        return run_at

    def _content(self) -> tuple[dict[str, str], str | None]:
        if not isinstance(self.body, JsonText):
            return self.headers, self.body
        headers = self.headers
        if not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "Content-Type": "application/json"}
        return headers, str(self.body)
