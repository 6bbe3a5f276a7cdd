"""The Python examples of docs/grpc.md, run as they stand there."""

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import grpc

from taskrunner.domain.keys.api_key import Scope
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import GrpcApi, bearer
from tests.tools.waiting import eventually, in_time

PAGE = (Path(__file__).parents[4] / "docs/grpc.md").read_text(encoding="utf-8")
CLIENT, WORKER = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]


async def test_the_client_tells_the_statuses_by_name(rpc: GrpcApi) -> None:
    """The numbers of an enum tell a reader nothing."""
    key = await rpc.api.make_key("boss", Scope.ADMIN)
    printed: list[tuple[Any, ...]] = []
    names = {"KEY": key, "print": lambda *words: printed.append(words)}
    example = CLIENT.replace("localhost:50051", rpc.address)
    running = asyncio.create_task(asyncio.to_thread(exec, example, names))
    await eventually(lambda: bool(printed))
    (task,) = (await rpc.manager.ListTasks(pb.ListTasksRequest(), metadata=bearer(key))).tasks
    await rpc.manager.CancelTask(pb.CancelTaskRequest(id=task.id), metadata=bearer(key))
    async with in_time("the end of the example"):
        await running
    assert {words[0] for words in printed} <= set(pb.Status.keys())
    assert printed[-1] == ("STATUS_CANCELLED", 0)


async def test_the_worker_completes_and_fails(rpc: GrpcApi) -> None:
    """A task whose function raises has its error; the others go on."""
    await rpc.api.make_executor("resize", kind="remote")
    key = await rpc.api.make_key("boss", Scope.ADMIN)
    printed: list[tuple[Any, ...]] = []
    names: dict[str, Any] = {"print": lambda *words: printed.append(words)}
    exec(WORKER, names)
    stopping = threading.Event()

    def resize(data: int) -> int:
        if data == 2:
            stopping.set()
        return 100 // data

    for data in ("0", "2"):
        task = pb.NewTask(id=f"t{data}", executor="resize", data_json=data, max_attempts=1)
        await rpc.manager.AddTask(pb.AddTaskRequest(task=task), metadata=bearer(key))
    with grpc.insecure_channel(rpc.address) as channel:
        async with in_time("the end of the example"):
            await asyncio.to_thread(names["work"], channel, bearer(key), resize, stopping)
    assert printed == [("t0", "UPDATE_ANSWER_APPLIED"), ("t2", "UPDATE_ANSWER_APPLIED")]
    failed = await rpc.manager.GetTask(pb.GetTaskRequest(id="t0"), metadata=bearer(key))
    assert failed.error.startswith("integer division")
    done = await rpc.manager.GetTask(pb.GetTaskRequest(id="t2"), metadata=bearer(key))
    assert done.result.body == b"50"
