"""A draft: a task as somebody hands it in, checked; with defaults it becomes a `Task`."""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from taskrunner.domain import task_fields
from taskrunner.domain.callback import CallbackDefaults
from taskrunner.domain.callback_draft import CallbackDraft
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.rules import MAX_RULES, MAX_RULES_BYTES, Rules, Statuses
from taskrunner.domain.ssrf_policy import SsrfPolicy
from taskrunner.domain.task import Priority, Task
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.tls_profile import check_profile
from taskrunner.domain.trace import read_traceparent
from taskrunner.domain.url import Url, parse_url
from taskrunner.domain.validation import field_errors, limits_of
from taskrunner.domain.value import Value, replace
from taskrunner.domain.write_concern import WriteConcern

# Their values may be secret, so no finding shows them.
_HIDDEN = frozenset({"headers", "body", "body_base64"})

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class TaskDefaults(Value):
    """What a draft gets where it says nothing; `timeout` is seconds."""

    timeout: float = 30.0
    max_attempts: int = 5
    retry: RetryPolicy = RetryPolicy()
    retry_unsafe: bool = False
    priority: Priority = Priority.MEDIUM
    write_concern: WriteConcern = WriteConcern.BROKER
    callback: CallbackDefaults = CallbackDefaults()


class TaskSettings(Value):
    """The limits and defaults that turn a draft into a task; `write_concerns` can be kept here."""

    limits: TaskLimits = TaskLimits()
    defaults: TaskDefaults = TaskDefaults()
    write_concerns: frozenset[WriteConcern] = frozenset(WriteConcern)


class RetryDraft(BaseModel):
    """The parts of a retry policy that the task sets itself; durations are seconds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    strategy: Strategy | None = None
    base: Seconds | None = Field(default=None, ge=0, le=86_400)
    cap: Seconds | None = Field(default=None, ge=0, le=30 * 86_400)
    jitter: Seconds | None = Field(default=None, ge=0, le=1)
    delays: tuple[Annotated[Seconds, Field(ge=0, le=30 * 86_400)], ...] | None = Field(
        default=None, max_length=100
    )

    @model_validator(mode="after")
    def _base_below_cap(self) -> Self:
        if self.base is not None and self.cap is not None and self.base > self.cap:
            raise ValueError(f"base ({self.base:g}) must be at most cap ({self.cap:g})")
        return self

    @field_validator("strategy", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    def over(self, default: RetryPolicy) -> RetryPolicy:
        """`default` with the fields that this draft sets; its own strategy ends a default's delays.

        Raises `TaskInvalid` when the first delay would then be longer than the longest.
        """
        given = self.model_dump(exclude_none=True)
        if given.keys() & {"strategy", "base"}:
            given.setdefault("delays", ())
        policy = replace(default, **given)
        if policy.base > policy.cap and not policy.delays:
            raise TaskInvalid([_base_above_cap(policy, given)])
        return policy


class TaskDraft(BaseModel):
    """The fields of `POST /tasks`, of a JSONL line, and of a message by a foreign AMQP client.

    Unknown fields are refused, except in messages (`from_message`). Validated with a `TaskLimits` as context.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | None = None
    url: str
    method: str = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | dict[str, Any] | list[Any] | None = None
    body_base64: str | None = None
    priority: Priority | None = None
    delay: Seconds | None = Field(default=None, ge=0)
    run_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    timeout: Seconds | None = Field(default=None, gt=0)
    max_attempts: int | None = Field(default=None, ge=1)
    retry: RetryDraft | None = None
    retry_on: Statuses = ()
    fail_on: Statuses = ()
    retry_unsafe: bool | None = None
    rules: Annotated[Rules, Field(max_length=MAX_RULES)] = ()
    write_concern: WriteConcern | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    tls: str | None = None
    callback: CallbackDraft | None = None
    traceparent: str | None = None

    @classmethod
    def from_json(cls, raw: bytes | str, limits: TaskLimits) -> Self:
        """Parse one JSON object; raises `TaskInvalid` with everything that is wrong in it."""
        try:
            return cls.model_validate_json(raw, context=limits)
        except ValidationError as exc:
            raise TaskInvalid(field_errors(exc, cls.model_fields, _HIDDEN)) from exc

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any], limits: TaskLimits) -> Self:
        """As `from_json`, from Python values that JSON can hold."""
        # Not orjson: it turns NaN into null, which would pass for a field that was left out, and it raises
        # TypeError for the bytes of an argument that are no UTF-8.
        return cls.from_json(json.dumps(fields), limits)

    @classmethod
    def base(cls, fields: Mapping[str, Any], limits: TaskLimits) -> Self:
        """What many tasks share, checked but for their URLs: each brings its own, see `with_url`."""
        anywhere = dict.fromkeys(limits.tls_profiles, ())
        lenient = replace(limits, ssrf_policy=SsrfPolicy(), tls_profiles=anywhere)
        return cls.from_fields({**fields, "url": "https://example.com/"}, lenient)

    @classmethod
    def from_message(cls, raw: bytes, limits: TaskLimits) -> Self:
        """As `from_json`, but fields that we do not know are passed over: publishers add their own."""
        try:
            return cls.model_validate_json(raw, context=limits, extra="ignore")
        except ValidationError as exc:
            raise TaskInvalid(field_errors(exc, cls.model_fields, _HIDDEN)) from exc

    def with_url(self, url: str, limits: TaskLimits) -> Self:
        """This draft for another URL. Raises `TaskInvalid`."""
        try:
            checked = task_fields.check_url(url, limits)
        except ValueError as exc:
            raise TaskInvalid([FieldError(field="url", message=str(exc))]) from exc
        self._check_profile("tls", self.tls, checked, limits)
        if self.callback is not None:
            self._check_profile("callback.tls", self.callback.tls, parse_url(self.callback.url), limits)
        return self.model_copy(update={"url": checked.text})

    @staticmethod
    def _check_profile(field: str, name: str | None, url: Url, limits: TaskLimits) -> None:
        try:
            if name is not None:
                check_profile(name, url, limits.tls_profiles)
        except ValueError as exc:
            raise TaskInvalid([FieldError(field=field, message=str(exc))]) from exc

    @field_validator("id")
    @classmethod
    def _id(cls, value: str | None) -> str | None:
        return value if value is None else task_fields.check_id(value)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        return task_fields.check_url(value, limits_of(info)).text

    @field_validator("method")
    @classmethod
    def _method(cls, value: str) -> str:
        return task_fields.check_method(value)

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        task_fields.check_headers(value, limits_of(info))
        return value

    @field_validator("body", mode="after")
    @classmethod
    def _body(cls, value: Any, info: ValidationInfo) -> Any:
        text = value if isinstance(value, str) or value is None else _as_json(value)
        _check_size(text.encode() if text else b"", limits_of(info))
        return value

    @field_validator("body_base64")
    @classmethod
    def _body_base64(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            try:
                content = base64.b64decode(value, validate=True)
            except binascii.Error as exc:
                raise ValueError(f"is not base64: {exc}") from exc
            _check_size(content, limits_of(info))
        return value

    @field_validator("delay")
    @classmethod
    def _delay(cls, value: float | None, info: ValidationInfo) -> float | None:
        limit = limits_of(info).max_delay
        if value is not None and value > limit:
            raise ValueError(f"must be at most {limit:.0f} seconds, got {value:g}")
        return value

    @field_validator("run_at", "expires_at")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        try:
            return value if value is None else value.astimezone(UTC)
        except OverflowError as exc:
            raise ValueError("must lie between the years 1 and 9999 in UTC") from exc

    @field_validator("timeout")
    @classmethod
    def _timeout(cls, value: float | None, info: ValidationInfo) -> float | None:
        limit = limits_of(info).max_timeout
        if value is not None and value > limit:
            raise ValueError(f"must be at most {limit:g} seconds, got {value:g}")
        return value

    @field_validator("max_attempts")
    @classmethod
    def _max_attempts(cls, value: int | None, info: ValidationInfo) -> int | None:
        limit = limits_of(info).max_attempts
        if value is not None and value > limit:
            raise ValueError(f"must be at most {limit}, got {value}")
        return value

    @field_validator("labels")
    @classmethod
    def _labels(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        task_fields.check_labels(value, limits_of(info))
        return value

    @field_validator("traceparent")
    @classmethod
    def _traceparent(cls, value: str | None) -> str | None:
        if value is not None and read_traceparent(value) is None:
            raise ValueError("must be version-trace-parent-flags in hex (W3C Trace Context)")
        return None if value is None else read_traceparent(value)

    @field_validator("tls")
    @classmethod
    def _tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Without a usable URL that is what is told.
        if value is not None and (url := info.data.get("url")) is not None:
            check_profile(value, parse_url(url), limits_of(info).tls_profiles)
        return value

    @field_validator("write_concern", mode="before")
    @classmethod
    def _lower_concern(cls, value: Any) -> Any:
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
        if self.delay is not None and self.run_at is not None:
            raise ValueError("delay and run_at are both given; give one of them")
        if self.body is not None and self.body_base64 is not None:
            raise ValueError("body and body_base64 are both given; give one of them")
        if both := sorted({*self.retry_on} & {*self.fail_on}):
            raise ValueError(f"retry_on and fail_on both have {both[0]}; give it to one of them")
        return self

    def concern(self, rules: TaskSettings) -> WriteConcern:
        """The write concern to accept it by. Raises `TaskInvalid` for one that cannot be kept."""
        concern = self.write_concern or rules.defaults.write_concern
        if concern not in rules.write_concerns:
            kept = ", ".join(each.value for each in WriteConcern if each in rules.write_concerns)
            message = f"{concern.value} cannot be kept by this store, which can: {kept}"
            raise TaskInvalid([FieldError(field="write_concern", message=message)])
        return concern

    def to_task(self, rules: TaskSettings, *, task_id: str, now: datetime) -> Task:
        """The complete task. Raises `TaskInvalid` for what only the defaults and the time make wrong."""
        run_at = now + timedelta(seconds=self.delay) if self.delay else self.run_at
        if run_at is not None and (run_at - now).total_seconds() > rules.limits.max_delay:
            limit = rules.limits.max_delay
            message = f"must be at most {limit:.0f} seconds away"
            raise TaskInvalid([FieldError(field="run_at", message=message)])
        if run_at is not None and self.expires_at is not None and self.expires_at <= run_at:
            message = f"must be later than the task's run_at, {run_at:%Y-%m-%dT%H:%M:%SZ}"
            raise TaskInvalid([FieldError(field="expires_at", message=message)])
        defaults = rules.defaults
        headers, body = self._content()
        return Task(
            id=self.id or task_id,
            url=self.url,
            method=self.method,
            headers=headers,
            body=body,
            body_base64=self.body_base64,
            priority=self.priority or defaults.priority,
            timeout=self.timeout or defaults.timeout,
            max_attempts=self.max_attempts or defaults.max_attempts,
            retry=self.retry.over(defaults.retry) if self.retry else defaults.retry,
            retry_on=self.retry_on,
            fail_on=self.fail_on,
            retry_unsafe=defaults.retry_unsafe if self.retry_unsafe is None else self.retry_unsafe,
            rules=self.rules,
            labels=self.labels,
            created_at=now,
            run_at=run_at,
            expires_at=self.expires_at,
            tls=self.tls,
            callback=self.callback.over(defaults.callback) if self.callback else None,
            traceparent=self.traceparent,
        )

    def _content(self) -> tuple[dict[str, str], str | None]:
        if self.body is None or isinstance(self.body, str):
            return self.headers, self.body
        headers = self.headers
        if not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "Content-Type": "application/json"}
        return headers, _as_json(self.body)


def _base_above_cap(policy: RetryPolicy, given: Mapping[str, Any]) -> FieldError:
    """Told of the one that the task says; the other is then the default's."""
    if "base" in given:
        message = f"must be at most retry.cap, which is {policy.cap:g} by default, got {policy.base:g}"
        return FieldError(field="retry.base", message=f"{message}; give a cap too")
    message = f"must be at least retry.base, which is {policy.base:g} by default, got {policy.cap:g}"
    return FieldError(field="retry.cap", message=f"{message}; give a base too")


def _as_json(value: dict[str, Any] | list[Any]) -> str:
    """JSON as it came, whole numbers of any size included. Raises ValueError for NaN, which JSON has not."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _check_size(content: bytes, limits: TaskLimits) -> None:
    if len(content) > limits.max_body_bytes:
        raise ValueError(f"is {len(content)} bytes long, at most {limits.max_body_bytes} are allowed")
