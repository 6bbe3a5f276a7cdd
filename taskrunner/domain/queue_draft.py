"""A queue draft: the queue that a client declares, checked."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from taskrunner.domain.errors import FieldError, QueueInvalid
from taskrunner.domain.json_fields import OrNull, WholeNumber
from taskrunner.domain.json_text import JsonUnfit, decode, members
from taskrunner.domain.queue import MAX_WEIGHT
from taskrunner.domain.validation import field_errors


class QueueDraft(BaseModel):
    """The fields of `PUT /queues/{queue}`.

    `weight` is how many turns the queue gets while every queue has tasks waiting.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    weight: Annotated[WholeNumber, Field(ge=1, le=MAX_WEIGHT), OrNull()] = 1

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object. Raises `QueueInvalid` with all findings."""
        try:
            text = decode(raw)
            members(text)
            return cls.model_validate_json(text)
        except JsonUnfit as exc:
            raise QueueInvalid([FieldError(field=exc.path, message=exc.reason)]) from exc
        except ValidationError as exc:
            raise QueueInvalid(field_errors(exc, cls.model_fields)) from exc
