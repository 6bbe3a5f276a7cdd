"""Operations: what the OpenAPI document says of each route, beside the route itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter or request header; `schema` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, object]
    place: str = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`answers` by status: the shape of a JSON answer, the media type of another one, None for an empty one.

    `takes` is the request's body by media type, `problems` the statuses of problems that are the route's own.
    """

    summary: str
    answers: Mapping[int, type[BaseModel] | str | None]
    takes: Mapping[str, type[BaseModel] | Mapping[str, object]] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
