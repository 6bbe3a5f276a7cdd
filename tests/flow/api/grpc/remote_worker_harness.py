"""What tests of RemoteWorker hold on to: a worker that works, tasks, and handlers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.sdk import Task
from taskrunner.sdk.remote import RemoteWorker
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import GrpcApi
from tests.tools.waiting import PATIENCE, eventually, in_time


@asynccontextmanager
async def working(rpc: GrpcApi, **options: Any) -> AsyncIterator[RemoteWorker]:
    """A worker works inside, and has ended afterwards."""
    worker = RemoteWorker(rpc.address, name="w1", **options)
    serving_ = asyncio.create_task(worker.serve())
    try:
        yield worker
    finally:
        if not worker.is_stopping:
            worker.stop()
        async with in_time("the end of the worker"):
            await serving_


async def submit(rpc: GrpcApi, data: str = "1", **task: Any) -> str:
    answer = await rpc.add(url="", executor="resize", data_json=data, **task)
    return answer.task.id


async def record_of(rpc: GrpcApi, task_id: str, *statuses: Status) -> Record:
    """Once the task has one of these."""
    return await _record_when(rpc, task_id, lambda record: record.status in statuses)


async def record_after_attempt(rpc: GrpcApi, task_id: str) -> Record:
    """Once the first attempt of the task has ended."""
    return await _record_when(rpc, task_id, lambda record: any(each.finished_at for each in record.attempts))


async def _record_when(rpc: GrpcApi, task_id: str, condition: Callable[[Record], bool]) -> Record:
    found: list[Record] = []

    async def look() -> bool:
        record = await rpc.api.store.get(task_id)
        assert record is not None
        found[:] = [record]
        return condition(record)

    await eventually(look)
    return found[0]


async def result_of(rpc: GrpcApi, task_id: str) -> bytes:
    task: pb.Task = await rpc.manager.GetTask(pb.GetTaskRequest(id=task_id))
    return task.result.body


class Gate:
    """A handler that waits until the test lets it end."""

    def __init__(self) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self.saw_cancel = False

    def __call__(self, task: Task[Any]) -> str:
        self.entered.set()
        assert self.open.wait(PATIENCE)
        self.saw_cancel = task.cancelled
        return "done"


def at_once(task: Task[Any]) -> object:
    return [task.data, task.attempt, task.executor]


async def later(task: Task[Any]) -> object:
    return at_once(task)
