"""A callback draft: the callback that a task asks for, checked."""

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


class CallbackDraft(BaseModel):
    """The field `callback` of a task. `secret` and `tls` name a configured secret and TLS profile.

    Without a `secret` the callback is not signed.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    url: UrlText
    secret: str | None = None
    events: Annotated[tuple[Status, ...], OrNull()] = EVENTS
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

    @field_validator("events", mode="before", json_schema_input_type=_Events | None)
    @classmethod
    def _events(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        given = [each.lower() if isinstance(each, str) else each for each in value]
        for each in given:
            if each not in EVENTS:
                hint = did_you_mean(str(each), EVENTS)
                raise ValueError(f"must be some of {', '.join(EVENTS)}, got {shown(each)}{hint}")
        if not given:
            raise ValueError(f"must be some of {', '.join(EVENTS)}; left out, it is all of them")
        return tuple(event for event in EVENTS if event in given)

    def resolve(self, defaults: CallbackDefaults) -> Callback:
        """The complete callback."""
        given = {name: getattr(self, name) for name in CallbackDraft.model_fields}
        return Callback(**given, **asdict(defaults))
