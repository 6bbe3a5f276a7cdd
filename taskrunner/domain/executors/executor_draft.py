"""An executor draft: the executor that an operator or a registration asks for, checked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
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
from taskrunner.domain.errors import ExecutorInvalid, FieldError, TaskInvalid
from taskrunner.domain.executors.data_schema import DataSchema
from taskrunner.domain.executors.executor import (
    BUILT_IN,
    NAME_PATTERN,
    DeadLetterPolicy,
    Executor,
    ExecutorKind,
    ManagedBy,
)
from taskrunner.domain.executors.executor_limits import MOST_REMOTE_SLOTS
from taskrunner.domain.executors.url_template import TEMPLATE_PATTERN, check_template
from taskrunner.domain.hosts.host_limit import BURST_NEEDS_RATE, Count, Rate
from taskrunner.domain.json_fields import OrNull, QueueName, WholeNumber
from taskrunner.domain.json_text import BOM, JsonUnfit, decode, join, members, merge_fields, set_any_aside
from taskrunner.domain.messages import shown
from taskrunner.domain.retries.retry_draft import RetryDraft
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.tls_profile import check_profile
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.settlement import MIN_RETENTION
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_schemas import HEADERS_SCHEMA, METHOD_SCHEMA
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.validation import field_errors, limits_of

_MAX_DESCRIPTION = 1000
_MAX_RETENTION = 366 * 86_400.0
_HTTP_FIELDS = ("url", "method", "headers", "tls")
_GIVEN, _NULL = {"not": {"type": "null"}}, {"type": "null"}
# What `_fit_kind` and `_fit_remote` demand, in JSON Schema.
_DEMANDS: dict[str, Any] = {
    "if": {"required": ["kind"], "properties": {"kind": {"const": "http"}}},
    "then": {"required": ["url"], "properties": {"url": _GIVEN}},
    "else": {"properties": dict.fromkeys(_HTTP_FIELDS, _NULL)},
}
_REMOTE: dict[str, Any] = {
    "if": {"required": ["kind"], "properties": {"kind": {"const": "remote"}}},
    "then": {"properties": {"queue": _NULL, "concurrency": {"maximum": MOST_REMOTE_SLOTS}}},
}
_SCHEMA_SCHEMA: dict[str, Any] = {
    "description": "The JSON Schema (2020-12) of the data of its tasks.",
    "anyOf": [{"type": "object"}, {"type": "boolean"}, _NULL],
    "default": None,
}
_URL_SCHEMA: dict[str, Any] = {
    "description": "Its path and query may have {placeholders}, which are members of the data.",
    "anyOf": [
        {"type": "string", "pattern": TEMPLATE_PATTERN, "examples": ["https://example.com/orders/{id}"]},
        _NULL,
    ],
    "default": None,
}


class ExecutorDraft(BaseModel):
    """The fields of `POST /executors`; for `PUT` the name is in the path. `schema` is a text of JSON."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"allOf": [_DEMANDS, _REMOTE, BURST_NEEDS_RATE]},
    )

    name: Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN.pattern}$"})] | None = None
    kind: ExecutorKind
    enabled: bool | None = None
    description: Annotated[str, Field(max_length=_MAX_DESCRIPTION)] | None = None
    data_schema: Annotated[str | None, WithJsonSchema(_SCHEMA_SCHEMA), Field(alias="schema")] = None
    url: Annotated[str | None, WithJsonSchema(_URL_SCHEMA)] = None
    method: Annotated[str, Field(json_schema_extra=METHOD_SCHEMA)] | None = None
    headers: Annotated[dict[str, str], Field(json_schema_extra=HEADERS_SCHEMA)] | None = None
    tls: str | None = None
    retry: RetryDraft | None = None
    max_attempts: WholeNumber | None = Field(default=None, ge=1)
    timeout: Duration | None = Field(default=None, gt=0)
    queue: QueueName | None = None
    write_concern: WriteConcern | None = None
    concurrency: Count | None = None
    rate: Rate | None = None
    burst: Count | None = None
    retention: Duration | None = Field(default=None, ge=MIN_RETENTION, le=_MAX_RETENTION)
    dead_letters: Annotated[DeadLetterPolicy, OrNull()] = Field(default_factory=DeadLetterPolicy)
    managed_by: ManagedBy | None = None

    @classmethod
    def from_json(cls, raw: bytes | str, limits: TaskLimits) -> Self:
        """Parse one JSON object. Raises `ExecutorInvalid` with all findings."""
        given = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        try:
            text = decode(given.removeprefix(BOM))
            members(text, opaque="schema")
            document = set_any_aside(text.encode(), "schema")
            return cls.model_validate_json(document, context=limits)
        except JsonUnfit as exc:
            raise ExecutorInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise ExecutorInvalid(field_errors(exc, known, {"headers", "schema"})) from exc

    @classmethod
    def patched(cls, executor: Executor, patch: bytes, limits: TaskLimits) -> Self:
        """The draft of `executor` after a JSON merge patch (RFC 7396). Raises `ExecutorInvalid`."""
        try:
            changes = decode(patch)
            named = members(changes, is_shallow=True)
            if named.pop("name", None) not in {None, f'"{executor.name}"'}:
                raise ExecutorInvalid([FieldError(field="name", message="cannot be changed")])
            known = {field.alias or name for name, field in cls.model_fields.items()}
            return cls.from_json(merge_fields(_as_given(executor), join(named), known), limits)
        except JsonUnfit as exc:
            raise ExecutorInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc

    @field_validator("name")
    @classmethod
    def _name(cls, value: str | None) -> str | None:
        return value if value is None else check_executor_name(value)

    @field_validator("data_schema")
    @classmethod
    def _data_schema(cls, value: str | None) -> str | None:
        if value is None or value == "null":
            return None
        DataSchema(value)
        return value

    @field_validator("url")
    @classmethod
    def _url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            check_template(value, limits_of(info))
        return value

    @field_validator("method")
    @classmethod
    def _method(cls, value: str | None) -> str | None:
        return value if value is None else task_fields.check_method(value)

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str] | None, info: ValidationInfo) -> dict[str, str] | None:
        if value is not None:
            task_fields.check_headers(value, limits_of(info))
        return value

    @field_validator("tls")
    @classmethod
    def _tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        # An unusable URL has its own finding.
        if value is not None and (url := info.data.get("url")) is not None:
            limits = limits_of(info)
            check_profile(value, check_template(url, limits), limits.tls_profiles)
        return value

    @field_validator("max_attempts", "timeout")
    @classmethod
    def _within_limit(cls, value: float | None, info: ValidationInfo) -> float | None:
        limit = getattr(limits_of(info), f"max_{(info.field_name or '').removeprefix('max_')}")
        if value is not None and value > limit:
            raise ValueError(f"must be at most {limit:.12g}, got {value:.12g}")
        return value

    @field_validator("queue")
    @classmethod
    def _queue(cls, value: str | None, info: ValidationInfo) -> str | None:
        return value if value is None else task_fields.check_queue(value, limits_of(info))

    @field_validator("write_concern", "kind", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fit_kind(self) -> Self:
        if self.burst is not None and self.rate is None:
            raise ValueError("burst needs a rate")
        if self.kind is ExecutorKind.HTTP:
            if self.url is None:
                raise ValueError("an executor of the kind http needs a url")
            return self
        if self.kind is ExecutorKind.REMOTE:
            self._fit_remote()
        if given := [name for name in _HTTP_FIELDS if getattr(self, name)]:
            raise ValueError(f"{given[0]} is for the kind http, and this one is of the kind {self.kind}")
        return self

    def _fit_remote(self) -> None:
        if self.queue is not None:
            raise ValueError("queue is not for the kind remote: each has a queue of its own")
        if self.concurrency is not None and self.concurrency > MOST_REMOTE_SLOTS:
            raise ValueError(
                f"concurrency must be at most {MOST_REMOTE_SLOTS} for the kind remote, "
                f"got {self.concurrency}; leave it out, or use several executors"
            )

    def to_executor(self, name: str, *, retry: RetryPolicy, now: datetime) -> Executor:
        """The first version of an executor of this name; `retry` has what its policy leaves out.

        Raises `ExecutorInvalid` for a policy that does not fit.
        """
        fields: Mapping[str, Any] = {
            each: getattr(self, each)
            for each in Executor.__struct_fields__
            if each in type(self).model_fields
        }
        made = {**fields, "name": name, "method": self.method or "POST", "headers": self.headers or {}}
        made["schema"] = None if self.data_schema is None else str(self.data_schema)
        made["enabled"] = self.enabled is not False
        made["managed_by"] = self.managed_by or ManagedBy.OPERATOR
        try:
            made["retry"] = None if self.retry is None else self.retry.resolve(retry)
        except TaskInvalid as exc:
            raise ExecutorInvalid(exc.errors) from exc
        return Executor(**made, created_at=now, updated_at=now)


def check_executor_name(text: str) -> str:
    """A name that an executor may have. Raises `ValueError`."""
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError(f"must be 1 to 64 small letters, digits and _, a letter first, got {shown(text)}")
    if text == BUILT_IN:
        raise ValueError(f"{BUILT_IN} is the built-in executor, of tasks that have a URL; use another name")
    return text


def switch_of(patch: bytes) -> bool | None:
    """The new value of `enabled` in a JSON merge patch; None if the patch has other members, too."""
    try:
        changes = members(decode(patch), is_shallow=True)
    except JsonUnfit:
        return None
    return {"true": True, "false": False}.get(changes["enabled"]) if changes.keys() == {"enabled"} else None


def _as_given(executor: Executor) -> str:
    """The draft that makes `executor`."""
    fields = {
        name: encode(getattr(executor, name)).decode()
        for name in Executor.__struct_fields__
        if name in ExecutorDraft.model_fields and name != "name"
    }
    fields["schema"] = executor.schema or "null"
    # An operator who changes an executor manages it from then on, unless the change says otherwise.
    del fields["managed_by"]
    if executor.kind is not ExecutorKind.HTTP:
        fields |= dict.fromkeys(_HTTP_FIELDS, "null")
    return join(fields)
