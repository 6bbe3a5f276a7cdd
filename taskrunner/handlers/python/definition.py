"""A handler's definition: its function, and how its tasks are treated."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from taskrunner.handlers.python.handler_schema import HandlerSchema, Schema
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.retry_policies import Retries
from taskrunner.handlers.python.task import Task

Data = TypeVar("Data")


class Handler(Generic[Data]):
    """The class form: set `schema`, override `run`, and `register` an instance.

    One instance serves all threads of a worker process.
    """

    schema: ClassVar[Schema] = None

    def run(self, task: Task[Data]) -> object:
        """May be `async def`."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class HandlerDefinition:
    """What a module has registered; nothing is checked before `findings_of`. `place` is its file and line."""

    name: str
    function: Callable[[Task[Any]], object]
    schema: Schema = None
    retry: Retries | None = None
    timeout: float | None = None
    queue: str | None = None
    description: str | None = None
    middleware: tuple[Middleware, ...] = ()
    place: str = field(default="")

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def handler_schema(self) -> HandlerSchema:
        """Raises `SchemaUnusable`."""
        return HandlerSchema(self.schema)

    @property
    def summary(self) -> str | None:
        """The description, by default the first line of the docstring."""
        # Not `inspect.getdoc`: for a method without a docstring it has that of the method it overrides.
        text = self.description or inspect.cleandoc(self.function.__doc__ or "")
        return text.strip().partition("\n")[0] if text else None
