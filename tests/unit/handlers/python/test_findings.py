"""What modules may register, and every rule that it can break."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.sdk import Constant, Exponential, Linear, Task, handler, register


class _Callable:
    def __call__(self, task: object) -> None: ...

    def method(self, task: object) -> None: ...

    def needs_two(self, task: object, other: object) -> None: ...


def _two(task: object, other: object) -> None: ...


def _generator(task: object) -> Any:
    yield task


async def _async_generator(task: object) -> Any:
    yield task


async def _async(task: object, *, more: int = 1) -> None: ...


@pytest.mark.parametrize(
    "function",
    [
        lambda task: None,
        lambda *args: None,
        lambda task, more=1: None,
        _async,
        _Callable(),
        _Callable().method,
        functools.partial(_two, other=1),
        print,
        dict,
    ],
)
def test_a_callable_of_one_task_is_a_handler(function: Callable[..., object]) -> None:
    handler("fine")(function)
    assert findings_of(REGISTRY) == []


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda: None, "must be callable with one argument, the task"),
        (_two, "missing a required argument: 'other'"),
        (_Callable().needs_two, "missing a required argument: 'other'"),
        (lambda *, task: None, "must be callable with one argument, the task"),
        (_generator, "is a generator"),
        (_async_generator, "is a generator"),
        (3, "must be a function, got int"),
    ],
)
def test_another_signature_is_refused(function: Any, told: str) -> None:
    handler("wrong")(function)
    (finding,) = findings_of(REGISTRY)
    assert told in finding.message
    assert finding.place.partition(":")[0] == __file__


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a.b", "a" * 65, "http", "ä", "a\n", 3])
def test_a_name_is_snake_case(name: Any) -> None:
    handler(name)(lambda task: None)
    assert len(findings_of(REGISTRY)) == 1


def test_a_decorator_without_a_name_is_told() -> None:
    """`@handler` in place of `@handler("resize_image")` would register nothing."""

    def resize(task: Task[Any]) -> None: ...

    handler(resize)  # type: ignore[call-overload]  # as users without a type checker do
    (finding,) = findings_of(REGISTRY)
    assert (finding.name, "has no name for its executor" in finding.message) == ("resize", True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds above 0"),
        ({"timeout": "30"}, "timeout must be a number of seconds above 0"),
        ({"timeout": 10**400}, "timeout must be a number of seconds above 0"),
        ({"retry": Constant(base=10**400)}, "base must be from 0"),
        ({"middleware": 3}, "middleware must be instances of Middleware, got int"),
        ({"queue": 3}, "queue must be text, got 3"),
        ({"queue": b"low"}, "queue must be text, got b'low'"),
        ({"description": 3}, "description must be text, got 3"),
        ({"retry": Exponential(attempts=True)}, "attempts must be from 1"),
        ({"retry": Exponential(attempts=2.0)}, "attempts must be from 1"),  # type: ignore[arg-type]
        ({"timeout": True}, "timeout must be a number of seconds above 0"),
        ({"retry": 3}, "retry must be Constant(), Linear() or Exponential()"),
        ({"retry": Exponential}, "retry must be Constant(), Linear() or Exponential()"),
        ({"retry": Exponential(attempts=0)}, "attempts must be from 1"),
        ({"retry": Constant(base=-1)}, "base must be from 0"),
        ({"retry": Linear(cap=float("inf"))}, "cap must be from 0"),
        ({"retry": Linear(jitter=2)}, "jitter must be from 0 to 1"),
        ({"retry": Exponential(base=10, cap=1)}, "base must be at most cap"),
        ({"schema": int}, "int is not a pydantic model"),
        ({"schema": "Resize"}, "must be a pydantic model"),
        ({"schema": {"type": {1, 2}}}, "is not JSON"),
        ({"middleware": [object()]}, "middleware must be instances of Middleware"),
    ],
)
def test_an_option_out_of_bounds_is_refused(options: dict[str, Any], told: str) -> None:
    handler("wrong", **options)(lambda task: None)
    (finding,) = findings_of(REGISTRY)
    assert told in finding.message


def test_a_name_is_registered_once() -> None:
    """Also by a decorator and a call; both places are told."""
    handler("twice")(lambda task: None)
    register("twice", _Callable())  # type: ignore[arg-type]  # as users without a type checker do
    (finding,) = findings_of(REGISTRY)
    assert "is registered twice" in finding.message
    assert finding.message.count(__file__) == 1
