"""A dedup draft: the field `dedup` of a task, checked."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from taskrunner.domain.duration_field import Duration
from taskrunner.domain.json_fields import OrNull
from taskrunner.domain.tasks.client_key import ClientKey
from taskrunner.domain.tasks.dedup import Dedup, DedupMode

# As long as a failed task is kept by default.
MAX_TTL = 30 * 86_400.0


class DedupDraft(BaseModel):
    """At most one task of this `key`: while it is alive, and `ttl` seconds from its acceptance."""

    model_config = ConfigDict(extra="forbid", strict=True)

    key: ClientKey
    ttl: Duration | None = Field(default=None, gt=0, le=MAX_TTL)
    mode: Annotated[DedupMode, OrNull()] = DedupMode.RETURN

    @field_validator("mode", mode="before")
    @classmethod
    def _in_lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    def resolve(self) -> Dedup:
        return Dedup(**self.__dict__)
