"""`taskrunner.sdk.testing` runs a handler as a worker would: every way in which an attempt can end."""

import asyncio
import dataclasses
import sys
import uuid
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.handlers.python.handler import UNREADABLE
from taskrunner.sdk import (
    Cancel,
    Constant,
    Exponential,
    Fail,
    Handler,
    Linear,
    Retry,
    Snooze,
    Task,
    handler,
    register,
)
from taskrunner.sdk.testing import run


class Resize(BaseModel):
    url: str
    width: int = 10


class Move(TypedDict):
    to: str


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Colour(StrEnum):
    RED = "red"


class BareFail(Fail):
    def __init__(self) -> None:
        """Does not call that of its base."""


class BareSnooze(Snooze):
    def __init__(self) -> None:
        """Does not call that of its base."""


class OwnDelay(BareSnooze):
    delay = "soon"  # type: ignore[assignment]  # as users without a type checker do


def test_a_handler_gets_an_instance_of_its_model() -> None:
    """With the defaults of the model, and what it returns is the result."""

    @handler("resize_image", retry=Exponential(attempts=5), timeout=30, schema=Resize)
    def resize_image(task: Task[Resize]) -> dict[str, Any]:
        task.progress(0.4, "resizing")
        return {"width": task.data.width, "attempt": task.attempt, "id": task.id}

    ended = run(resize_image, {"url": "http://a.test/"}, attempt=3, task_id="t")
    assert (ended.status, ended.result) == ("succeeded", {"width": 10, "attempt": 3, "id": "t"})
    assert ended.progress == Progress(fraction=0.4, message="resizing", attempt=3)


@pytest.mark.parametrize(
    ("schema", "data", "got"),
    [
        (Resize, Resize(url="u", width=2), Resize(url="u", width=2)),
        (Move, {"to": "there"}, {"to": "there"}),
        (Point, {"x": 1}, Point(1)),
        ({"type": "object"}, {"any": [1, None]}, {"any": [1, None]}),
        (None, [1, "two", None], [1, "two", None]),
        (None, None, None),
    ],
)
def test_data_arrives_as_the_schema_says(schema: Any, data: object, got: object) -> None:
    seen: list[object] = []
    handler("keep", schema=schema)(lambda task: seen.append(task.data))
    assert run("keep", data).status == "succeeded"
    assert seen == [got]


@pytest.mark.parametrize(
    ("schema", "data", "told"),
    [
        (Resize, {"width": 1}, '"url" is a required property'),
        (Resize, {"url": "u", "width": "hunter2"}, 'data/width: the value is not of type "integer"'),
        # pydantic would make a number of it.
        (Resize, {"url": "u", "width": "100"}, 'data/width: the value is not of type "integer"'),
        (Move, {}, '"to" is a required property'),
        (Point, {"x": "hunter2"}, 'data/x: the value is not of type "integer"'),
        ({"required": ["url"]}, {}, '"url" is a required property'),
        ({"type": "object"}, None, "data: is required"),
    ],
)
def test_data_that_a_submit_refuses_fails(schema: Any, data: object, told: str) -> None:
    """There would be no such task; and a value may be a secret."""
    handler("keep", schema=schema)(lambda task: None)
    ended = run("keep", data)
    assert ended.status == "failed"
    assert ended.error is not None
    assert told in ended.error
    assert "hunter2" not in ended.error


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (None, None),
        ({"a": [1, 2.5, True, "ü"]}, {"a": [1, 2.5, True, "ü"]}),
        (Resize(url="u"), {"url": "u", "width": 10}),
        ([Point(1, 2)], [{"x": 1, "y": 2}]),
        ({"deep": {"point": Point(1)}}, {"deep": {"point": {"x": 1, "y": 0}}}),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        ({1: "one"}, {"1": "one"}),
        (2**80, 2**80),
    ],
)
def test_what_is_returned_is_stored_as_json(returned: object, result: object) -> None:
    handler("give")(lambda task: returned)
    ended = run("give")
    assert (ended.status, ended.result) == ("succeeded", result)


def _circle() -> object:
    circle: list[object] = []
    circle.append(circle)
    return circle


def _deep() -> object:
    deep: list[object] = []
    for _ in range(sys.getrecursionlimit() * 100):
        deep = [deep]
    return deep


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (object(), "objects of type object have no form in JSON"),
        (float("nan"), "Out of range float"),
        (float("inf"), "Out of range float"),
        (b"\x00", "bytes have no form in JSON"),
        ("\ud800", "a lone surrogate"),
        ({(1, 2): 3}, "keys must be str"),
        (_circle(), "Circular reference"),
        (_deep(), "nested too deeply"),
        (lambda: None, "objects of type function"),
        (Resize, "objects of type ModelMetaclass"),
        (iter(()), "objects of type tuple_iterator"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_fails_the_task(returned: object, told: str) -> None:
    """The handler has done its work: another attempt would do it again, and return the like."""
    handler("give")(lambda task: returned)
    ended = run("give")
    assert (ended.status, ended.outcome.kind) == ("failed", OutcomeKind.HANDLER_ERROR)
    assert told in str(ended.error)


def test_a_result_has_a_size_limit() -> None:
    handler("give")(lambda task: "x" * (100 * 1024 * 1024))
    ended = run("give")
    assert (ended.status, ended.outcome.kind) == ("failed", OutcomeKind.TOO_LARGE)
    assert "104857602 bytes" in str(ended.error)


def _raise(exc: BaseException) -> object:
    raise exc


@pytest.mark.parametrize(
    ("exc", "status", "delay", "counted", "error"),
    [
        (Fail("no such image"), "failed", None, True, "no such image"),
        (Retry(after=7), "retrying", 7.0, True, "The handler asked for another attempt."),
        (Retry("busy"), "retrying", 3.0, True, "busy"),
        (Snooze(60, "at night"), "scheduled", 60.0, False, "The handler put the task off for 60 s: at night"),
        (Fail(ValueError("gone")), "failed", None, True, "gone"),
        (BareFail(), "failed", None, True, "The handler failed the task."),
        (BareSnooze(), "retrying", 3.0, True, "The handler asked for another attempt."),
        (OwnDelay(), "retrying", 3.0, True, UNREADABLE),
        (Snooze(20 * 86_400), "scheduled", 20 * 86_400.0, False, None),
        (Cancel("not wanted"), "cancelled", None, True, "The handler cancelled the task: not wanted"),
        (ValueError("bad"), "retrying", 3.0, True, "ValueError: bad"),
        (KeyboardInterrupt(), "retrying", 3.0, True, "KeyboardInterrupt"),
        (SystemExit(3), "retrying", 3.0, True, "SystemExit: 3"),
        (GeneratorExit(), "retrying", 3.0, True, "GeneratorExit"),
        (BaseException("base"), "retrying", 3.0, True, "BaseException: base"),
        (asyncio.CancelledError(), "retrying", 3.0, True, "asyncio.exceptions.CancelledError"),
        (MemoryError(), "retrying", 3.0, True, "MemoryError"),
        (StopIteration(1), "retrying", 3.0, True, None),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_is_raised_decides(
    exc: BaseException, status: str, delay: float | None, counted: bool, error: str | None, is_async: bool
) -> None:
    """An ending says itself what becomes of the task; anything else means another attempt."""

    async def later(task: Task[Any]) -> object:
        return _raise(exc)

    handler("raise", retry=Constant(base=3, jitter=0))(later if is_async else lambda task: _raise(exc))
    ended = run("raise")
    assert (ended.status, ended.delay, ended.counted) == (status, delay, counted)
    assert error is None or ended.error == error


def test_the_last_attempt_fails_the_task() -> None:
    """Unless the handler puts it off, which counts for nothing."""
    handler("raise", retry=Linear(attempts=2, base=4, jitter=0))(lambda task: _raise(ValueError()))
    handler("later", retry=Linear(attempts=2))(lambda task: _raise(Snooze(1)))
    assert run("raise", attempt=1).delay == 4
    assert run("raise", attempt=2).status == "failed"
    assert run("later", attempt=2).status == "scheduled"


def test_an_ending_that_is_returned_counts_as_raised() -> None:
    handler("give")(lambda task: Fail("gone"))
    assert (run("give").status, run("give").error) == ("failed", "gone")


@pytest.mark.parametrize("seconds", [-1, 31 * 86_400, float("nan")])
def test_a_delay_has_bounds(seconds: float) -> None:
    handler("later")(lambda task: _raise(Snooze(seconds)))
    ended = run("later")
    assert "the delay must be from 0 to 2592000 seconds" in str(ended.error)


def test_a_coroutine_runs_and_is_cancelled_at_its_deadline() -> None:
    cleaned: list[str] = []

    @handler("nap")
    async def nap(task: Task[float]) -> float:
        try:
            await asyncio.sleep(task.data)
        finally:
            cleaned.append(task.id)
        return task.data

    assert run(nap, 0.0).result == 0.0
    ended = run(nap, 3600, deadline=datetime.now(UTC) + timedelta(seconds=0.2), task_id="slow")
    assert (ended.status, ended.outcome.kind) == ("retrying", OutcomeKind.TIMEOUT)
    assert cleaned == ["test", "slow"]


def test_a_cancelled_attempt_stops_a_coroutine_and_is_told_to_a_function() -> None:
    async def nap(task: Task[Any]) -> None:
        await asyncio.sleep(3600)

    handler("nap")(nap)
    handler("look")(lambda task: task.cancelled)
    assert run("nap", cancelled=True).outcome.kind is OutcomeKind.CANCELLED
    assert run("look", cancelled=True).result is True
    assert run("look").result is False


def test_a_function_that_spins_ends_at_its_deadline() -> None:
    """It gets an exception, so that its thread is not lost; `finally` runs."""
    cleaned: list[str] = []

    @handler("spin", timeout=0.1)
    def spin(task: Task[Any]) -> None:
        try:
            while not cleaned:
                pass
        finally:
            cleaned.append(task.id)

    ended = run(spin)
    assert (ended.status, ended.outcome.kind) == ("retrying", OutcomeKind.TIMEOUT)
    assert cleaned == ["test"]


def test_a_task_knows_how_much_time_is_left() -> None:
    handler("look", timeout=60)(
        lambda task: [task.remaining, (task.deadline - datetime.now(UTC)).total_seconds()]
    )
    remaining, until = run("look").result
    assert 0 < remaining <= 60
    assert until == pytest.approx(remaining, abs=5)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_progress_is_a_fraction(fraction: float) -> None:
    handler("tell")(lambda task: task.progress(fraction))
    assert "the fraction must be from 0 to 1" in str(run("tell").error)


def test_a_class_is_a_handler_too() -> None:
    class ResizeHandler(Handler[Resize]):
        schema = Resize

        def run(self, task: Task[Resize]) -> object:
            return task.data.width

    instance = ResizeHandler()
    register("resize_image", instance, timeout=5)
    assert run("resize_image", {"url": "u"}).result == 10
    assert run(instance, {"url": "u", "width": 3}).result == 3


def test_a_type_checker_compares_the_schema_with_the_function() -> None:
    """mypy fails here if it does not find these two faults."""

    @handler("points", schema=Point)
    def fits(task: Task[Point]) -> int:
        return task.data.x

    @handler("moves", schema=Move)  # type: ignore[arg-type]
    def does_not(task: Task[Point]) -> str:
        return task.data.z  # type: ignore[attr-defined, no-any-return]

    assert run(fits, {"x": 3}).result == 3


def test_an_unknown_handler_is_named() -> None:
    with pytest.raises(ValueError, match="'nothing' is not registered"):
        run("nothing")


def test_an_unsound_handler_is_refused() -> None:
    handler("Not-Snake")(lambda task: None)
    with pytest.raises(ValueError, match="the name must be snake_case"):
        run("Not-Snake")
