"""A callback draft: the callback that a task asks for, checked."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec.structs import asdict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from taskrunner.domain.json_fields import OrNull, UrlText
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.targets.credential import check_name
from taskrunner.domain.targets.tls_profile import check_profile
from taskrunner.domain.targets.url import parse_url
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.callback import EVENTS, Callback, CallbackDefaults
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.validation import limits_of

# For the OpenAPI document only; a `Literal` cannot be built from `EVENTS`.
_Events = Annotated[list[Literal["succeeded", "failed", "cancelled"]], Field(min_length=1)]


def _check_profile(name: str, info: ValidationInfo) -> str:
    # An unusable URL has its own finding.
    if (url := info.data.get("url")) is not None:
        check_profile(name, parse_url(url), limits_of(info).tls_profiles)
    return name


# The name of a TLS profile that may be used for the `url` beside it.
ProfileName = Annotated[str, AfterValidator(_check_profile)] | None


class ReceiverDraft(BaseModel):
    """Where reports go. `secret` and `tls` name a configured secret and TLS profile.

    Without a `secret` the reports are not signed.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    url: UrlText
    secret: str | None = None
    tls: ProfileName = None

    @field_validator("url")
    @classmethod
    def _url(cls, value: str, info: ValidationInfo) -> str:
        return task_fields.check_url(value, limits_of(info)).text

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        # An unusable URL has its own finding.
        if value is not None and (url := info.data.get("url")) is not None:
            check_name("secret", value, parse_url(url), limits_of(info).callback_secrets)
        return value

    def to_callback(self, events: tuple[Status, ...], defaults: CallbackDefaults) -> Callback:
        """The complete callback, for these ends."""
        given = {name: getattr(self, name) for name in ReceiverDraft.model_fields}
        return Callback(**given, events=events, **asdict(defaults))


class CallbackDraft(ReceiverDraft):
    """The field `callback` of a task."""

    events: Annotated[tuple[Status, ...], OrNull()] = EVENTS

    @field_validator("events", mode="before", json_schema_input_type=_Events | None)
    @classmethod
    def _events(cls, value: Any) -> Any:
        return chosen_events(value, EVENTS)

    def resolve(self, defaults: CallbackDefaults) -> Callback:
        """The complete callback."""
        return self.to_callback(self.events, defaults)


def chosen_events(value: Any, known: Sequence[str]) -> Any:
    """Those of the `known` events that are named, in their order. Raises `ValueError`."""
    if not isinstance(value, list):
        return value
    given = [each.lower() if isinstance(each, str) else each for each in value]
    for each in given:
        if each not in known:
            hint = did_you_mean(str(each), known)
            raise ValueError(f"must be some of {', '.join(known)}, got {shown(each)}{hint}")
    if not given:
        raise ValueError(f"must be some of {', '.join(known)}; left out, it is {', '.join(EVENTS)}")
    return tuple(event for event in known if event in given)
