"""What a client can cause is bounded, and a refusal names the field."""

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from taskrunner.grpc.open_services import MAX_OPEN_STREAMS
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import URL, GrpcApi, refused
from tests.tools.waiting import eventually


@pytest.mark.parametrize("path", ["/taskrunner.v1.TaskExecutorManager/None", "/none/AddTask", "/"])
async def test_an_unknown_method_is_told(rpc: GrpcApi, path: str) -> None:
    unary: Any = rpc.channel.unary_unary(path)
    refusal = await refused(unary(b""))
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("grpc_settings", [GrpcSettings(max_message_bytes=10_000, shutdown_grace=0.0)])
async def test_a_message_that_is_too_large_is_refused(rpc: GrpcApi) -> None:
    """By gRPC, before it is read; the same connection goes on."""
    refusal = await refused(rpc.add(method="POST", body=b"x" * 10_001))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await rpc.add(method="POST", body=b"x" * 9_000)).created


@pytest.mark.parametrize("grpc_settings", [GrpcSettings(max_calls=1, shutdown_grace=0.0)])
async def test_so_many_calls_go_on_at_a_time(rpc: GrpcApi) -> None:
    """One more is refused until one of them ends."""
    adding = rpc.manager.AddTasks()
    await adding.write(pb.AddTaskRequest(task=pb.NewTask(url=URL)))
    await adding.read()
    assert (await refused(rpc.add())).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await adding.done_writing()
    assert await adding.read() is grpc.aio.EOF
    assert (await rpc.add()).created


async def test_who_watches_health_takes_no_place_of_others(rpc: GrpcApi) -> None:
    """Anybody may, without a key, so many at a time; other calls go on, and so do single checks."""
    stub: Any = health_pb2_grpc.HealthStub(rpc.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(MAX_OPEN_STREAMS)]
    for watch in watches:
        await watch.read()
    refusal = await refused(stub.Watch(health_pb2.HealthCheckRequest()).read())
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await rpc.add()).created
    assert (
        await stub.Check(health_pb2.HealthCheckRequest())
    ).status == health_pb2.HealthCheckResponse.SERVING
    watches[0].cancel()
    reflection: Any = ServerReflectionStub(rpc.channel)  # type: ignore[arg-type]  # its types know no aio
    await eventually(lambda: _is_answered(reflection))


async def _is_answered(stub: Any) -> bool:
    listing = stub.ServerReflectionInfo(iter([ServerReflectionRequest(list_services="")]))
    try:
        return bool([each async for each in listing])
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return False
        raise


@pytest.mark.parametrize("api_options", [{"max_streams": 1}])
async def test_streams_share_the_places_of_the_api(rpc: GrpcApi) -> None:
    """A stream of events over HTTP takes the only place, and a stream over gRPC does."""
    task_id = (await rpc.add()).task.id
    watch = rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id))
    await watch.read()
    refusal = await refused(rpc.manager.AddTasks(iter([])).read())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "TOO_MANY_STREAMS")
    assert refusal.retry_after == 10
    await rpc.api.refusal(503, "too_many_streams", "GET", "/events")


async def test_findings_fit_into_the_metadata(rpc: GrpcApi) -> None:
    """Clients take 8 KiB: of many long findings as many are told as fit."""
    labels = {f"{'é' * 60}{number}": "x" * 5000 for number in range(40)}
    headers = {f"bad name {number} {'é' * 50}": "\n" * 100 for number in range(40)}
    task = pb.NewTask(url="ftp://" + "é" * 3000, labels=labels, headers=headers, method="é" * 4000)
    refusal = await refused(rpc.manager.AddTask(pb.AddTaskRequest(task=task)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TASK_INVALID")
    assert {"url", "method"} <= refusal.violations.keys()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"body_json": "{"}, "body_json"),
        ({"body_json": '{"a":1},"url":"http://other.test/"'}, "body_json"),
        ({"body_json": '1,"delay":5'}, "body_json"),
        ({"body_json": ""}, "body_json"),
        ({"body_json": "[" * 5000}, "body_json"),
        ({"body_json": "1"}, "body"),
        ({"priority": 77}, "priority"),
        ({"redirects": -1}, "redirects"),
        ({"callback": {"url": URL, "events": [0]}}, "callback.events"),
        ({"run_at": {"seconds": 10**15}}, "run_at"),
        ({"run_at": {"nanos": -5}}, "run_at"),
        ({"expires_at": {"seconds": -(10**15)}}, "expires_at"),
        ({"timeout": {"seconds": -1}}, "timeout"),
        ({"timeout": {"seconds": 2**62}}, "timeout"),
        ({"retry": pb.RetryDraft(jitter=float("nan"))}, "retry.jitter"),
        ({"rules": [{"when": {"status": 200.5}, "then": "fail"}]}, "rules"),
        ({"url": ""}, "url"),
    ],
)
async def test_the_field_is_named(rpc: GrpcApi, fields: dict[str, Any], field: str) -> None:
    """As clients know it."""
    task = pb.NewTask(**{"url": URL, **fields})
    refusal = await refused(rpc.manager.AddTask(pb.AddTaskRequest(task=task)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert any(name.startswith(field) for name in refusal.violations), refusal
    stream = [each async for each in rpc.manager.AddTasks(iter([pb.AddTaskRequest(task=task)]))]
    assert [each.field for each in stream[0].refusal.field_violations] == [*refusal.violations]


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({"page_size": 201}, "page_size"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "no token"}, "page_token"),
        ({"page_token": "x:none"}, "page_token"),
        ({"status": 99}, "status"),
        ({"queue": "No queue"}, "queue"),
        ({"outcome": "none"}, "outcome"),
        ({"labels": {"": "x"}}, "labels"),
        ({"created_after": {"seconds": 10**15}}, "created_after"),
    ],
)
async def test_the_condition_is_named(rpc: GrpcApi, conditions: dict[str, Any], field: str) -> None:
    refusal = await refused(rpc.manager.ListTasks(pb.ListTasksRequest(**conditions)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_QUERY")
    assert [*refusal.violations] == [field]
