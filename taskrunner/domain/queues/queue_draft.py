"""A queue draft: the queue that a client declares, checked."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from taskrunner.domain.draft_reading import draft_from_json
from taskrunner.domain.errors import QueueInvalid
from taskrunner.domain.json_fields import OrNull, WholeNumber
from taskrunner.domain.queues.queue import MAX_WEIGHT


class QueueDraft(BaseModel):
    """The fields of `PUT /queues/{queue}`.

    `weight` is how many turns the queue gets while every queue has tasks waiting.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    weight: Annotated[WholeNumber, Field(ge=1, le=MAX_WEIGHT), OrNull()] = 1

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object. Raises `QueueInvalid` with all findings."""
        return draft_from_json(cls, raw, QueueInvalid)
