"""A retry draft: the parts of a retry policy that a task sets itself, checked."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import FieldError, TaskInvalid
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.value import replace


class RetryDraft(BaseModel):
    """The field `retry` of a task; durations are seconds, or have units."""

    model_config = ConfigDict(extra="forbid", strict=True)

    strategy: Strategy | None = None
    base: Duration | None = Field(default=None, ge=0, le=86_400)
    cap: Duration | None = Field(default=None, ge=0, le=30 * 86_400)
    jitter: Annotated[float, Field(allow_inf_nan=False)] | None = Field(default=None, ge=0, le=1)
    delays: tuple[Annotated[Duration, Field(ge=0, le=30 * 86_400)], ...] | None = Field(
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

    def resolve(self, default: RetryPolicy) -> RetryPolicy:
        """`default` with the fields of this draft. A `strategy` or `base` replaces the default's `delays`.

        Raises `TaskInvalid` if `base` is then above `cap`.
        """
        given = self.model_dump(exclude_none=True)
        if given.keys() & {"strategy", "base"}:
            given.setdefault("delays", ())
        policy = replace(default, **given)
        if policy.base > policy.cap and not policy.delays:
            raise TaskInvalid([_base_above_cap(policy, given)])
        return policy


def _base_above_cap(policy: RetryPolicy, given: Mapping[str, Any]) -> FieldError:
    """Blames the field that the draft gives; the other is the default."""
    if "base" in given:
        message = f"must be at most retry.cap, which is {policy.cap:g} by default, got {policy.base:g}"
        return FieldError(field="retry.base", message=f"{message}; give a cap too")
    message = f"must be at least retry.base, which is {policy.base:g} by default, got {policy.cap:g}"
    return FieldError(field="retry.cap", message=f"{message}; give a base too")
