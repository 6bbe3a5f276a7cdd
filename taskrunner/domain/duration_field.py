"""The type of durations in requests and settings: seconds, or a text with units such as 10m."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from taskrunner.domain.duration import DURATION_PATTERN, read_duration


def _seconds(value: Any) -> Any:
    """The seconds of a text; any other value unchanged."""
    return read_duration(value) if isinstance(value, str) else value


Duration = Annotated[
    float,
    BeforeValidator(_seconds, json_schema_input_type=float | Annotated[str, Field(pattern=DURATION_PATTERN)]),
    Field(allow_inf_nan=False),
]
