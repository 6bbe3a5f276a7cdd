"""How a module registers its handlers: decorators and calls that record what they are given.

They check nothing: `taskrunner executors check`, the consumer and `taskrunner.sdk.testing` do.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, cast, overload

from taskrunner.handlers.python.definition import Handler, HandlerDefinition
from taskrunner.handlers.python.dependency import Dependency
from taskrunner.handlers.python.handler_schema import Schema
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.handlers.python.retry_policies import Retries
from taskrunner.handlers.python.task import Task

Data = TypeVar("Data")
Result = TypeVar("Result")
Opened = TypeVar("Opened")


class _Decorator(Protocol[Data]):
    """Takes a function of one task, sync or async, and returns it unchanged."""

    def __call__(self, function: Callable[[Task[Data]], Result], /) -> Callable[[Task[Data]], Result]: ...


class Options(TypedDict, total=False):
    """How the tasks of a handler are treated unless they say otherwise; an operator may change all of it.

    - `retry`: how often and when a task is tried again.
    - `timeout`: seconds for one attempt.
    - `queue`: where its tasks wait.
    - `description`: one line for operators, by default the first of the docstring.
    - `middleware`: runs inside that of `use`.
    """

    retry: Retries
    timeout: float
    queue: str
    description: str
    middleware: Sequence[Middleware]


@overload
def handler(name: str, *, schema: type[Data], **options: Unpack[Options]) -> _Decorator[Data]: ...


@overload
def handler(
    name: str, *, schema: Mapping[str, Any] | None = None, **options: Unpack[Options]
) -> _Decorator[Any]: ...


def handler(name: str, *, schema: Schema = None, **options: Unpack[Options]) -> _Decorator[Any]:
    """Make a function, sync or async, the handler of the executor `name`.

    `schema` describes the data: a pydantic model, a TypedDict or a dataclass, of which the function gets an
    instance, or a JSON Schema.
    """
    place = place_of_caller()
    if callable(name):
        # `@handler` without a name would leave the function out, and say nothing.
        add(name, name, schema, place, options)

    def decorate(function: Callable[[Task[Any]], Result], /) -> Callable[[Task[Any]], Result]:
        add(name, function, schema, place, options)
        return function

    return decorate


def register(name: str, instance: Handler[Any], **options: Unpack[Options]) -> None:
    """Make an instance of a `Handler` class the handler of the executor `name`."""
    add(
        name,
        getattr(instance, "run", instance),
        getattr(instance, "schema", None),
        place_of_caller(),
        options,
    )


def dependency(
    make: Callable[[], AbstractContextManager[Opened] | AbstractAsyncContextManager[Opened]],
) -> Dependency[Opened]:
    """Open something once per worker process: put this above `@contextmanager` or `@asynccontextmanager`.

    `get()` of what this returns is the opened object.
    """
    made = Dependency(make)
    REGISTRY.dependencies.append(cast(Dependency[object], made))
    return made


def use(*middleware: Middleware) -> None:
    """Run this middleware around the attempts of all handlers, the first one outermost."""
    REGISTRY.middleware += middleware


def add(name: str, function: Any, schema: Schema, place: str, options: Options) -> None:
    """Note a handler that was registered at `place`."""
    # Whatever else it is has a finding.
    middleware: object = options.get("middleware", ())
    middleware = tuple(middleware) if isinstance(middleware, Iterable) else (middleware,)
    given: dict[str, Any] = {**options, "middleware": middleware}
    REGISTRY.definitions.append(
        HandlerDefinition(name=name, function=function, schema=schema, place=place, **given)
    )


def place_of_caller() -> str:
    """File and line of the caller's caller."""
    frame = sys._getframe(2)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
