"""What a client sends to make an API key, or to rotate one."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskrunner.domain.api_key import NAME_PATTERN, Scope
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import FieldError, KeyInvalid
from taskrunner.domain.json_fields import OrNull
from taskrunner.domain.json_text import JsonUnfit, decode, members
from taskrunner.domain.moment import Moment
from taskrunner.domain.validation import field_errors

# Deploying a new secret everywhere takes no longer.
LONGEST_GRACE = 30 * 86_400.0


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object. Raises `KeyInvalid` with all findings."""
        try:
            text = decode(raw)
            members(text)
            return cls.model_validate_json(text)
        except JsonUnfit as exc:
            raise KeyInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise KeyInvalid(field_errors(exc, cls.model_fields)) from exc


class ApiKeyDraft(_Draft):
    """A key to make. Its `name` is unique for ever."""

    name: str = Field(pattern=f"^{NAME_PATTERN.pattern}$")
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    owner: Annotated[str, Field(max_length=200)] | None = None
    expires_at: Moment | None = None


class Rotation(_Draft):
    """For `grace` seconds the present secret is good as well."""

    grace: Annotated[Duration, Field(ge=0, le=LONGEST_GRACE), OrNull()] = 0.0
