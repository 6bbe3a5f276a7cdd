"""An attempt in a RemoteWorker ends as in a consumer."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from taskrunner.domain.tasks.status import Status
from taskrunner.sdk import Cancel, Fail, Handler, Retry, Snooze, Task, handler
from tests.flow.api.grpc.harness import GrpcApi
from tests.flow.api.grpc.remote_worker_harness import (
    Gate,
    at_once,
    later,
    record_after_attempt,
    record_of,
    result_of,
    submit,
    working,
)
from tests.tools.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("registry")


class Seen(Handler[Any]):
    def run(self, task: Task[Any]) -> object:
        return at_once(task)


@pytest.mark.parametrize("made", [at_once, later, Seen()])
async def test_what_a_handler_returns_is_the_result(remote: GrpcApi, made: Any) -> None:
    """A function, a coroutine function and an instance of a class are alike."""
    async with working(remote) as worker:
        worker.register("resize", made)
        task_id = await submit(remote, '{"n": 1}')
        record = await record_of(remote, task_id, Status.SUCCEEDED)
    assert await result_of(remote, task_id) == b'[{"n":1},1,"resize"]'
    assert (record.attempts[0].consumer or "").startswith("w1/")


def _raise(exc: BaseException) -> Callable[[Task[Any]], object]:
    def run(task: Task[Any]) -> object:
        raise exc

    return run


@pytest.mark.parametrize(
    ("run", "status", "error", "counted"),
    [
        (_raise(Fail("no such image")), Status.FAILED, "no such image", True),
        (_raise(Retry("busy", after=60)), Status.RETRYING, "busy", True),
        (_raise(Snooze(60, "not yet")), Status.SCHEDULED, "put the task off for 60 s: not yet", False),
        (_raise(Snooze(60)), Status.SCHEDULED, "put the task off for 60 s.", False),
        (_raise(Cancel("sold out")), Status.CANCELLED, "cancelled the task: sold out", True),
        (_raise(Cancel()), Status.CANCELLED, "cancelled the task.", True),
        (_raise(KeyError("password=hunter2")), Status.RETRYING, "KeyError: 'password=", True),
        (_raise(SystemExit(3)), Status.RETRYING, "SystemExit: 3", True),
        (lambda task: object(), Status.FAILED, "of type object, is not JSON", True),
        (lambda task: "x" * 500_000, Status.FAILED, "returned 500002 bytes of JSON", True),
    ],
)
async def test_each_ending_is_that_of_a_handler_in_a_consumer(
    remote: GrpcApi, run: Any, status: Status, error: str, counted: bool
) -> None:
    handler("resize")(run)
    async with working(remote):
        record = await record_after_attempt(remote, await submit(remote))
    (attempt,) = record.attempts
    assert record.status is status
    assert error in (attempt.error or "")
    assert "hunter2" not in (attempt.error or "")
    assert "The handler put" not in (attempt.error or "")
    assert attempt.counted is counted


async def test_a_function_that_hangs_times_out_and_takes_no_slot(remote: GrpcApi) -> None:
    """Also one that no exception reaches, since it is stuck in C."""
    gate = Gate()

    @handler("resize")
    def resize(task: Task[Any]) -> object:
        return gate(task) if task.data == "hang" else "done"

    async with working(remote, concurrency=1):
        hangs = await submit(remote, '"hang"', timeout={"nanos": 200_000_000})
        other = await submit(remote)
        record = await record_of(remote, hangs, Status.RETRYING)
        assert "did not end within its timeout of 0.2 s, and cannot be ended" in (
            record.attempts[0].error or ""
        )
        await record_of(remote, other, Status.SUCCEEDED)
        gate.open.set()


async def test_a_result_that_the_server_refuses_fails_its_task_alone(remote: GrpcApi) -> None:
    """The others of the same call end as they did."""
    together = threading.Barrier(3, timeout=PATIENCE)

    @handler("resize")
    def resize(task: Task[Any]) -> object:
        together.wait()
        return "x" * task.data

    ids = [await submit(remote, size) for size in ("1", "600000", "2")]
    async with working(remote, max_result_bytes=1_000_000):
        ended = [await record_of(remote, each, Status.SUCCEEDED, Status.FAILED) for each in ids]
    assert [each.status for each in ended] == [Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED]
    assert "The server refused the result" in (ended[1].attempts[0].error or "")
