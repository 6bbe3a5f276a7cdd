"""HandlerSchema reads data: what its type does not allow is said without the values."""

import dataclasses
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, field_validator

from taskrunner.handlers.python.handler_schema import DataUnfit, HandlerSchema


class Resize(BaseModel):
    url: str
    width: int = 10

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value == "hunter2":
            raise ValueError("is no URL")
        return value


class Move(TypedDict):
    to: str


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("schema", "data", "told"),
    [
        (Resize, b'{"width": 1}', "url: Field required"),
        (Resize, b'{"url": "u", "width": "hunter2"}', "width: Input should be a valid integer"),
        (Resize, b'{"url": "hunter2"}', "url: Value error, is no URL"),
        (Move, b"{}", "missing required field `to`"),
        (Point, b'{"x": "hunter2"}', "Expected `int`, got `str` - at `$.x`"),
        (None, b"[" * 100_000, "the data is nested too deeply"),
    ],
)
def test_unfit_data_is_told_without_its_values(schema: Any, data: bytes, told: str) -> None:
    """A value may be a secret."""
    with pytest.raises(DataUnfit) as found:
        HandlerSchema(schema).read(data)
    assert told in str(found.value)
    assert "hunter2" not in str(found.value)
