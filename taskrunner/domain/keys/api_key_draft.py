"""What a client sends to make an API key, or to rotate one."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from taskrunner.domain.draft_reading import draft_from_fields, draft_from_json
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import KeyInvalid
from taskrunner.domain.hosts.host_limit import BURST_NEEDS_RATE, Count, Rate
from taskrunner.domain.json_fields import OrNull, WholeNumber
from taskrunner.domain.keys.api_key import NAME_PATTERN, ApiKey, Scope
from taskrunner.domain.moment import Moment

# Deploying a new secret everywhere takes no longer.
LONGEST_GRACE = 30 * 86_400.0
LiveTasks = Annotated[WholeNumber, Field(ge=1, le=1_000_000_000)]
StoredBytes = Annotated[WholeNumber, Field(ge=1, le=2**50)]

# What `check_limits` demands, in JSON Schema.
_SEES_ITS_OWN: dict[str, Any] = {
    "if": {"properties": {"scopes": {"contains": {"enum": [Scope.READ_ALL.value, Scope.ADMIN.value]}}}},
    "then": {"properties": {name: {"type": "null"} for name in ("max_live_tasks", "max_stored_bytes")}},
}


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object. Raises `KeyInvalid` with all findings."""
        return draft_from_json(cls, raw, KeyInvalid)

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Raises `KeyInvalid` with all findings."""
        return draft_from_fields(cls, fields, KeyInvalid)


class KeyLimit(_Draft):
    """What a key may use: `rate` requests per second (or 90/m, 5/h), `burst` at once after a rest.

    `max_live_tasks` are tasks that have not ended, at a time; `max_stored_bytes` those of tasks and results.
    """

    model_config = ConfigDict(json_schema_extra={"allOf": [BURST_NEEDS_RATE]})

    rate: Rate | None = None
    burst: Count | None = None
    max_live_tasks: LiveTasks | None = None
    max_stored_bytes: StoredBytes | None = None

    @property
    def limits(self) -> Mapping[str, Any]:
        """The fields of a key that limit it."""
        return {name: getattr(self, name) for name in KeyLimit.model_fields}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.burst is not None and self.rate is None:
            raise ValueError("burst needs a rate")
        return self


class KeyLimitPatch(_Draft):
    """A JSON merge patch (RFC 7396) of the limits; without a rate, requests have no limit."""

    rate: Rate | None = None
    burst: Count | None = None
    max_live_tasks: LiveTasks | None = None
    max_stored_bytes: StoredBytes | None = None

    def applied(self, key: ApiKey) -> KeyLimit:
        """The limits after the change. Raises `KeyInvalid`."""
        fields = {name: getattr(key, name) for name in KeyLimit.model_fields}
        fields |= self.model_dump(include=self.model_fields_set)
        if fields["rate"] is None and "burst" not in self.model_fields_set:
            fields["burst"] = None
        return KeyLimit.from_fields(fields)


class ApiKeyDraft(KeyLimit):
    """A key to make. Its `name` is unique for ever."""

    model_config = ConfigDict(json_schema_extra={"allOf": [BURST_NEEDS_RATE, _SEES_ITS_OWN]})

    name: str = Field(pattern=f"^{NAME_PATTERN.pattern}$")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    owner: Annotated[str, Field(max_length=200)] | None = None
    expires_at: Moment | None = None


class Login(_Draft):
    """A good key, to begin a session of the console with."""

    key: str = Field(min_length=1, max_length=1000, json_schema_extra={"pattern": "^[!-~]+$"})


class Rotation(_Draft):
    """For `grace` seconds the present secret is good as well."""

    grace: Annotated[Duration, Field(ge=0, le=LONGEST_GRACE), OrNull()] = 0.0
