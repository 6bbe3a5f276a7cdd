"""TaskExecutor leases the tasks of remote executors, and hears of their ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import GrpcApi, bearer, refused
from tests.tools.waiting import eventually, in_time

SECONDS, HALF = Duration(seconds=10), pb.Progress(fraction=0.5)


async def submit(rpc: GrpcApi, count: int = 1) -> list[str]:
    async def requests() -> AsyncIterator[pb.AddTaskRequest]:
        for number in range(count):
            yield pb.AddTaskRequest(task=pb.NewTask(executor="resize", data_json=f"{number}.0"))

    return [each.id async for each in rpc.manager.AddTasks(requests())]


async def lease(rpc: GrpcApi, **asked: Any) -> list[pb.LeasedTask]:
    request = pb.GetNextTasksRequest(
        **{"executor": "resize", "worker": "w1", "wait": {"seconds": 10}, **asked}
    )
    return [*(await rpc.worker.GetNextTasks(request)).tasks]


async def beat(rpc: GrpcApi, task: pb.LeasedTask) -> int:
    """The state of its lease; `lease_until` goes with one that is held."""
    request = pb.HeartbeatRequest(leases=[pb.LeaseBeat(id=task.id, token=task.token)])
    (answer,) = (await rpc.worker.Heartbeat(request)).leases
    assert answer.HasField("lease_until") is (answer.state == pb.LEASE_STATE_HELD)
    return int(answer.state)


async def test_a_worker_learns_what_holds(remote: GrpcApi) -> None:
    """Before its first task: how long a lease is, and how often to be heard."""
    answer = await remote.worker.RegisterWorker(pb.RegisterWorkerRequest(executor="resize", worker="w1"))
    assert (answer.lease.ToSeconds(), answer.heartbeat.ToSeconds(), answer.max_tasks) == (30, 10, 200)
    assert (answer.executor.name, answer.executor.kind) == ("resize", pb.EXECUTOR_KIND_REMOTE)


async def test_a_batch_is_leased_kept_and_ended(remote: GrpcApi) -> None:
    """Each task is answered for itself, in the order of the call."""
    ids = await submit(remote, 5)
    tasks = await lease(remote, max_tasks=5)
    assert [each.id for each in tasks] == ids
    assert [each.data_json for each in tasks] == ["0.0", "1.0", "2.0", "3.0", "4.0"]
    beats = [pb.LeaseBeat(id=each.id, token=each.token, progress=HALF) for each in tasks]
    held = (await remote.worker.Heartbeat(pb.HeartbeatRequest(leases=beats))).leases
    assert [(each.id, each.state) for each in held] == [(each, pb.LEASE_STATE_HELD) for each in ids]
    assert (await remote.manager.GetTask(pb.GetTaskRequest(id=ids[0]))).progress.fraction == 0.5
    ends: list[dict[str, Any]] = [
        {"completed": {"result_json": "[1.50]"}},
        {"failed": {"error": "no"}},
        {"failed": {"error": "no", "final": True}},
        {"snoozed": {"delay": {"seconds": 60}}},
        {"cancelled": {"reason": "not wanted"}},
    ]
    updates = [
        pb.TaskUpdate(id=each.id, token=each.token, **end) for each, end in zip(tasks, ends, strict=True)
    ]
    request = pb.UpdateTaskStatusRequest(updates=updates)
    results = (await remote.worker.UpdateTaskStatus(request)).results
    assert [(each.answer, each.status) for each in results] == [
        (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_SUCCEEDED),
        (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_RETRYING),
        (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_FAILED),
        (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_SCHEDULED),
        (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_CANCELLED),
    ]
    again = (await remote.worker.UpdateTaskStatus(request)).results
    assert {each.answer for each in again} == {pb.UPDATE_ANSWER_REPEATED}
    assert (await remote.manager.GetTask(pb.GetTaskRequest(id=ids[0]))).result.body == b"[1.50]"


async def test_one_task_is_completed_or_failed(remote: GrpcApi) -> None:
    """By calls of their own."""
    await submit(remote, 2)
    first, second = await lease(remote, max_tasks=2)
    done = await remote.worker.CompleteTask(pb.CompleteTaskRequest(id=first.id, token=first.token))
    assert (done.answer, done.status) == (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_SUCCEEDED)
    request = pb.FailTaskRequest(id=second.id, token=second.token, error="no", final=True)
    assert (await remote.worker.FailTask(request)).status == pb.STATUS_FAILED
    late = await remote.worker.CompleteTask(pb.CompleteTaskRequest(id=second.id, token=second.token))
    assert (late.answer, late.status) == (pb.UPDATE_ANSWER_LATE, pb.STATUS_FAILED)


async def test_a_stream_leases_as_tasks_come_and_end(remote: GrpcApi) -> None:
    """At most so many that have not ended."""
    await submit(remote, 3)
    request = pb.StreamTasksRequest(executor="resize", worker="w1", max_tasks=2)
    call = remote.worker.StreamTasks(request)
    async with in_time("the tasks"):
        tasks = [*(await call.read()).tasks]
        while len(tasks) < 2:
            tasks += (await call.read()).tasks
        third = asyncio.ensure_future(call.read())
        await lease(remote, wait={})
        assert not third.done()
        await remote.worker.CompleteTask(pb.CompleteTaskRequest(id=tasks[0].id, token=tasks[0].token))
        await submit(remote)
        assert len((await third).tasks) == 1
    call.cancel()


async def test_a_client_that_is_gone_leases_nothing(remote: GrpcApi) -> None:
    """A call that was given up takes no task from the next one."""
    request = pb.GetNextTasksRequest(executor="resize", worker="gone", wait=SECONDS)
    call = remote.worker.GetNextTasks(request)
    await eventually(lambda: remote.api.live.waits == 1)
    call.cancel()
    await eventually(lambda: remote.api.live.waits == 0)
    (task_id,) = await submit(remote)
    (task,) = await lease(remote)
    assert (task.id, task.attempt) == (task_id, 1)


async def test_leases_fit_into_a_message(remote: GrpcApi) -> None:
    """Clients take 4 MiB: of tasks that are as large as they may be, a call leases fewer."""
    data = f'"{"x" * (TaskLimits().max_body_bytes - 2)}"'
    ids = [(await remote.add(url="", executor="resize", data_json=data)).task.id for _ in range(15)]
    seen: list[str] = []
    calls = 0
    while len(seen) < len(ids):
        tasks = await lease(remote, max_tasks=200)
        assert {each.data_json for each in tasks} == {data}
        seen += [each.id for each in tasks]
        calls += 1
    assert sorted(seen) == sorted(ids)
    assert calls > 1


async def test_a_client_of_another_version_is_understood(remote: GrpcApi) -> None:
    """Fields that the server does not know change nothing: https://protobuf.dev/programming-guides/proto3/#unknowns."""
    await submit(remote)
    unknown = b"\xfa\x3e\x03abc"  # the field 1007, of three bytes
    asked = pb.GetNextTasksRequest(executor="resize", worker="w1", wait=SECONDS)
    path = "/taskrunner.v1.TaskExecutor"
    call: Any = remote.channel.unary_unary(
        f"{path}/GetNextTasks", response_deserializer=pb.GetNextTasksResponse.FromString
    )
    (task,) = (await call(asked.SerializeToString() + unknown)).tasks
    update = (
        pb.TaskUpdate(id=task.id, token=task.token, completed=pb.Completed()).SerializeToString() + unknown
    )
    # The field `updates`, by hand, since no message of ours has what it does not know.
    request = b"\x0a" + bytes([len(update)]) + update + unknown
    ending: Any = remote.channel.unary_unary(
        f"{path}/UpdateTaskStatus", response_deserializer=pb.UpdateTaskStatusResponse.FromString
    )
    (result,) = (await ending(request)).results
    assert (result.answer, result.status) == (pb.UPDATE_ANSWER_APPLIED, pb.STATUS_SUCCEEDED)


async def test_an_attempt_is_ended_once(remote: GrpcApi) -> None:
    """The same again is told, and so is another end; a heartbeat extends nothing that is over."""
    await submit(remote)
    (task,) = await lease(remote)
    completed = pb.CompleteTaskRequest(id=task.id, token=task.token, result_json="1")
    answers = [(await remote.worker.CompleteTask(completed)).answer for _ in range(2)]
    assert answers == [pb.UPDATE_ANSWER_APPLIED, pb.UPDATE_ANSWER_REPEATED]
    failed = await remote.worker.FailTask(pb.FailTaskRequest(id=task.id, token=task.token, error="no"))
    assert (failed.answer, failed.status) == (pb.UPDATE_ANSWER_LATE, pb.STATUS_SUCCEEDED)
    assert await beat(remote, task) == pb.LEASE_STATE_ENDED


async def test_a_lease_of_a_cancelled_task_is_not_extended(remote: GrpcApi) -> None:
    """And its end changes nothing."""
    await submit(remote)
    (task,) = await lease(remote)
    assert await beat(remote, task) == pb.LEASE_STATE_HELD
    await remote.manager.CancelTask(pb.CancelTaskRequest(id=task.id))
    assert await beat(remote, task) == pb.LEASE_STATE_CANCELLED
    end = await remote.worker.CompleteTask(pb.CompleteTaskRequest(id=task.id, token=task.token))
    assert (end.answer, end.status) == (pb.UPDATE_ANSWER_LATE, pb.STATUS_CANCELLED)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetNextTasks", {"executor": "resize"}, "worker"),
        ("GetNextTasks", {"executor": "resize", "worker": "w", "max_tasks": 201}, "max_tasks"),
        ("StreamTasks", {"executor": "resize", "worker": "w", "max_tasks": -1}, "max_tasks"),
        ("UpdateTaskStatus", {"updates": [{"id": "t", "token": "x"}]}, "updates.0"),
        ("UpdateTaskStatus", {"updates": [{}] * 501}, "updates"),
        ("Heartbeat", {"leases": [{}] * 501}, "leases"),
        ("UpdateTaskStatus", {"updates": [{"id": "t", "token": "x", "cancelled": {}}]}, "updates.0.token"),
        ("Heartbeat", {"leases": [{"progress": {"fraction": 2}}]}, "leases.0.progress.fraction"),
        ("CompleteTask", {"id": "t", "token": "x"}, "token"),
        ("CompleteTask", {"id": "t", "token": "x", "result_json": "{"}, "result_json"),
    ],
)
async def test_the_field_is_named(remote: GrpcApi, method: str, request_: dict[str, Any], field: str) -> None:
    made = getattr(remote.worker, method)(getattr(pb, f"{method}Request")(**request_))
    refusal = await refused(made.read() if method == "StreamTasks" else made)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LEASE_INVALID")
    assert [*refusal.violations] == [field]
    assert refusal.message == f"{field}: {refusal.violations[field]}"


async def test_workers_are_not_audited(remote: GrpcApi) -> None:
    """Each attempt names its worker."""
    key = await remote.api.make_key("boss", Scope.ADMIN)
    await remote.manager.AddTask(
        pb.AddTaskRequest(task=pb.NewTask(executor="resize", data_json="1")), metadata=bearer(key)
    )
    request = pb.GetNextTasksRequest(executor="resize", worker="w1", wait=SECONDS)
    (task,) = (await remote.worker.GetNextTasks(request, metadata=bearer(key))).tasks
    await remote.worker.CompleteTask(
        pb.CompleteTaskRequest(id=task.id, token=task.token), metadata=bearer(key)
    )
    entries = (await remote.api.ask("GET", "/audit", headers={"Authorization": f"Bearer {key}"})).json
    assert [each["action"] for each in entries["entries"]] == ["executors.create"]
    shown = await remote.manager.GetTask(pb.GetTaskRequest(id=task.id), metadata=bearer(key))
    assert shown.attempts[0].consumer.startswith("w1/")
