"""Calls come with the keys of the HTTP API, which have the same scopes and limits there."""

from typing import Any

import grpc
import pytest

from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.auth.scopes import ROUTES
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.keys.api_key_draft import KeyLimit
from taskrunner.domain.process_events import RequestDenied
from taskrunner.domain.tasks.status import Status
from taskrunner.grpc.methods import METHODS
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import URL, GrpcApi, bearer, refused, rest_of
from tests.tools.waiting import in_time

# The methods for something that has to be there.
NAMING = ("Get", "Cancel", "Watch", "UpdateExecutor", "Delete", "Register", "Stream")
ALL = (Scope.SUBMIT, Scope.READ, Scope.OPERATE)
REQUESTS: dict[str, Any] = {
    "AddTask": pb.AddTaskRequest(task=pb.NewTask(url=URL)),
    "GetTask": pb.GetTaskRequest(id="t"),
    "GetTaskStatus": pb.GetTaskStatusRequest(id="t"),
    "ListTasks": pb.ListTasksRequest(),
    "CancelTask": pb.CancelTaskRequest(id="t"),
    "WatchTask": pb.WatchTaskRequest(id="t"),
    "CreateExecutor": pb.CreateExecutorRequest(
        executor=pb.NewExecutor(name="made", kind=pb.EXECUTOR_KIND_PYTHON)
    ),
    "GetExecutor": pb.GetExecutorRequest(name="none"),
    "ListExecutors": pb.ListExecutorsRequest(),
    "UpdateExecutor": pb.UpdateExecutorRequest(executor=pb.NewExecutor(name="none")),
    "DeleteExecutor": pb.DeleteExecutorRequest(name="none"),
    "RegisterWorker": pb.RegisterWorkerRequest(executor="none", worker="w"),
    "GetNextTasks": pb.GetNextTasksRequest(executor="none", worker="w"),
    "StreamTasks": pb.StreamTasksRequest(executor="none", worker="w"),
    "Heartbeat": pb.HeartbeatRequest(),
    "UpdateTaskStatus": pb.UpdateTaskStatusRequest(),
    "CompleteTask": pb.CompleteTaskRequest(token="1." + "A" * 22),
    "FailTask": pb.FailTaskRequest(token="1." + "A" * 22),
}


def call(rpc: GrpcApi, method: str, metadata: Any) -> Any:
    """A call of any method that is admitted or refused; a stream is read once."""
    if method == "AddTasks":
        return rpc.manager.AddTasks(iter([REQUESTS["AddTask"]]), metadata=metadata).read()
    stub = rpc.manager if hasattr(rpc.manager, method) else rpc.worker
    made = getattr(stub, method)(REQUESTS[method], metadata=metadata)
    return made.read() if method in {"WatchTask", "StreamTasks"} else made


@pytest.mark.parametrize("full_name", METHODS)
async def test_each_method_needs_the_scopes_of_its_route(rpc: GrpcApi, full_name: str) -> None:
    """Without a key 16, with a key that lacks one of them 7; with them the call is made."""
    method, needs = full_name.rpartition(".")[2], ROUTES[METHODS[full_name]]
    others = [scope for scope in (*ALL, Scope.READ_ALL) if scope not in needs.scopes]
    lacking = bearer(await rpc.api.make_key("lacking", *others))
    fit = bearer(await rpc.api.make_key("fit", *needs.scopes))
    for metadata, code, reason in (
        ((), grpc.StatusCode.UNAUTHENTICATED, "KEY_MISSING"),
        (bearer("tr_" + "x" * 32), grpc.StatusCode.UNAUTHENTICATED, "KEY_UNKNOWN"),
        ((*fit, *fit), grpc.StatusCode.INVALID_ARGUMENT, "BAD_HEADER"),
        (lacking, grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING"),
    ):
        for _ in range(20):
            refusal = await refused(call(rpc, method, metadata))
            if (refusal.code, refusal.reason) != (grpc.StatusCode.INTERNAL, ""):
                break  # else the client's own error: it wrote to a call that was refused meanwhile
        assert (refusal.code, refusal.reason) == (code, reason)
    if method.startswith(NAMING):
        assert (await refused(call(rpc, method, fit))).code is grpc.StatusCode.NOT_FOUND
    else:
        await call(rpc, method, fit)
    assert any(isinstance(each, RequestDenied) and each.status == 401 for each in rpc.api.events)


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via"])
async def test_a_proxy_on_this_machine_is_not_this_machine(rpc: GrpcApi, name: str) -> None:
    """Without any key, whoever calls from loopback is let in, but not through a proxy there."""
    assert (await rpc.add()).created
    refusal = await refused(call(rpc, "ListTasks", ((name, "192.0.2.1"),)))
    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("access_settings", "gets_in"),
    [
        (AccessSettings(local=False), False),
        (AccessSettings(local=False, auth=Auth.NONE), True),
        (AccessSettings(auth=Auth.LOOPBACK), True),
    ],
)
async def test_whether_a_key_is_needed_is_that_of_the_api(rpc: GrpcApi, gets_in: bool) -> None:
    """`Api.auth`, and whether the server can be reached from other machines."""
    if gets_in:
        assert (await rpc.add()).created
    else:
        assert (await refused(rpc.add())).code is grpc.StatusCode.UNAUTHENTICATED


async def test_the_rate_of_a_key_is_one_for_both(rpc: GrpcApi) -> None:
    """What HTTP has taken is not there for gRPC; the refusal says when to come again."""
    made = await KeyAdmin(rpc.api.store, rpc.api.clock).create(
        "slow", ALL, owner=None, expires_at=None, limit=KeyLimit(rate=0.01, burst=2)
    )
    await rpc.api.keys.turn()
    first = rpc.manager.ListTasks(pb.ListTasksRequest(), metadata=bearer(made.secret))
    await first
    assert dict(await first.trailing_metadata())["ratelimit"].startswith('"key";r=1')
    await rpc.api.ask("GET", "/tasks", headers={"Authorization": f"Bearer {made.secret}"})
    refusal = await refused(rpc.manager.ListTasks(pb.ListTasksRequest(), metadata=bearer(made.secret)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    assert refusal.retry_after is not None
    assert refusal.retry_after > 1


async def test_a_key_has_so_many_live_tasks(rpc: GrpcApi) -> None:
    """One by one, and in a stream."""
    made = await KeyAdmin(rpc.api.store, rpc.api.clock).create(
        "few", ALL, owner=None, expires_at=None, limit=KeyLimit(max_live_tasks=1)
    )
    await rpc.api.keys.turn()
    await rpc.add(made.secret)
    await rpc.api.quota.turn()
    for more in (rpc.add(made.secret), call(rpc, "AddTasks", bearer(made.secret))):
        refusal = await refused(more)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_LIVE_TASKS")


async def test_a_revoked_key_ends_its_streams(rpc: GrpcApi) -> None:
    """Both kinds, within some seconds; the next call is refused."""
    secret = await rpc.api.make_key("mine", *ALL)
    await rpc.api.make_key("other", *ALL)
    task_id = (await rpc.add(secret)).task.id
    watch = rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id), metadata=bearer(secret))
    await watch.read()
    adding = rpc.manager.AddTasks(metadata=bearer(secret))
    await adding.write(REQUESTS["AddTask"])
    await adding.read()
    await rpc.api.revoke_key("mine")
    async with in_time("the ends of the streams"):
        for stream in (watch, adding):
            assert (await refused(rest_of(stream))).reason == "STREAM_ENDED"
    assert (await refused(rpc.add(secret))).reason == "KEY_UNKNOWN"
    assert rpc.api.live.streams == 0


async def test_what_changes_something_is_audited(rpc: GrpcApi) -> None:
    """A cancellation is an entry like that of the HTTP API; a submit and a refusal are none."""
    secret = await rpc.api.make_key("boss", Scope.ADMIN)
    task_id = (await rpc.add(secret)).task.id
    metadata = (*bearer(secret), ("x-request-id", "r-1"))
    cancel = rpc.manager.CancelTask(pb.CancelTaskRequest(id=task_id), metadata=metadata)
    await cancel
    assert dict(await cancel.trailing_metadata())["x-request-id"] == "r-1"
    await refused(rpc.manager.CancelTask(pb.CancelTaskRequest(id="none"), metadata=metadata))
    audit = (await rpc.api.ask("GET", "/audit", headers={"Authorization": f"Bearer {secret}"})).json
    (entry,) = audit["entries"]
    shown = {name: entry[name] for name in ("action", "target", "key", "origin", "request_id", "count")}
    assert shown == {
        "action": "tasks.cancel",
        "target": task_id,
        "key": "boss",
        "origin": "127.0.0.1",
        "request_id": "r-1",
        "count": 1,
    }


async def test_a_key_that_may_not_read_sees_no_results(rpc: GrpcApi) -> None:
    """Of a task that it submits again; of one that holds a dedup key it sees the id."""
    secret = await rpc.api.make_key("blind", Scope.SUBMIT, Scope.READ_ALL)
    await rpc.add(secret, id="t1")
    await rpc.api.finish("t1", Status.FAILED)
    again = await rpc.add(secret, id="t1")
    assert (again.created, again.task.status) == (False, pb.STATUS_FAILED)
    assert (again.task.HasField("error"), len(again.task.attempts)) == (False, 0)
    await rpc.add(secret, id="t2", dedup=pb.Dedup(key="k"))
    held = await rpc.add(secret, id="t3", dedup=pb.Dedup(key="k"))
    assert (held.deduplicated, held.task) == (True, pb.Task(id="t2"))
