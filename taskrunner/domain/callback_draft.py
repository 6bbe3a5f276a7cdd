"""A callback as somebody asks for it, checked."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from taskrunner.domain import admission
from taskrunner.domain.callback import EVENTS, Callback, CallbackDefaults
from taskrunner.domain.limits import limits_of
from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.validation import did_you_mean, shown


class CallbackDraft(BaseModel):
    """Whom to tell of the task's end. `secret` names one that is configured; without, nothing is signed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: str
    secret: str | None = None
    events: tuple[Status, ...] = Field(default=EVENTS, min_length=1)

    @field_validator("url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        return admission.check_url(value, limits_of(info)).text

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        known = limits_of(info).callback_secrets
        if value is not None and value not in known:
            hint = did_you_mean(value, known)
            raise ValueError(f"no secret is configured by the name {shown(value)}{hint}")
        return value

    @field_validator("events", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return tuple(each.lower() if isinstance(each, str) else each for each in value)

    @field_validator("events")
    @classmethod
    def _terminal(cls, value: tuple[Status, ...]) -> tuple[Status, ...]:
        for status in value:
            if status not in TERMINAL:
                raise ValueError(f"must be some of {', '.join(EVENTS)}, got {shown(status.value)}")
        return tuple(event for event in EVENTS if event in value)

    def over(self, defaults: CallbackDefaults) -> Callback:
        """The complete callback."""
        return Callback(
            url=self.url,
            secret=self.secret,
            events=self.events,
            timeout=defaults.timeout,
            max_attempts=defaults.max_attempts,
            retry=defaults.retry,
        )
