"""A key without read:all sees and changes only its own tasks by gRPC, and cannot tell what others have."""

from typing import Any

import grpc
import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from taskrunner.grpc.methods import METHODS
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import MANAGER, URL, WORKER, GrpcApi, bearer, refused

OWN = (Scope.SUBMIT, Scope.READ, Scope.OPERATE)


@pytest.fixture
async def keys(rpc: GrpcApi) -> dict[str, str]:
    """Two keys that see only their own, and one that sees all."""
    scopes = {"mine": OWN, "theirs": OWN, "boss": (Scope.ADMIN,)}
    return {name: await rpc.api.make_key(name, *given) for name, given in scopes.items()}


async def test_ids_are_those_that_the_key_gave(rpc: GrpcApi, keys: dict[str, str]) -> None:
    """Two keys may give the same id, and each reads its own; who sees all has the whole ids."""
    for name in ("mine", "theirs"):
        answer = await rpc.add(keys[name], id="same", labels={"of": name})
        assert (answer.created, answer.task.id, answer.task.created_by) == (True, "same", name)
    for name in ("mine", "theirs"):
        metadata = bearer(keys[name])
        read = await rpc.manager.GetTask(pb.GetTaskRequest(id="same"), metadata=metadata)
        assert (read.id, dict(read.labels)) == ("same", {"of": name})
        listed = await rpc.manager.ListTasks(pb.ListTasksRequest(), metadata=metadata)
        assert [task.id for task in listed.tasks] == ["same"]
        event = await rpc.manager.WatchTask(pb.WatchTaskRequest(id="same"), metadata=metadata).read()
        assert (event.task_id, event.task.id, dict(event.task.labels)) == ("same", "same", {"of": name})
    seen = await rpc.manager.ListTasks(pb.ListTasksRequest(), metadata=bearer(keys["boss"]))
    assert {task.id for task in seen.tasks} == {"mine~same", "theirs~same"}


@pytest.mark.parametrize(
    "method", [each.name for each in MANAGER.methods if "id" in each.input_type.fields_by_name]
)
@pytest.mark.parametrize("task_id", ["t1", "theirs~t1", "none"])
async def test_the_task_of_another_is_unknown(
    rpc: GrpcApi, keys: dict[str, str], method: str, task_id: str
) -> None:
    """By its id there and by its whole id, exactly as one that does not exist; and it stays as it is."""
    await rpc.add(keys["theirs"], id="t1")
    kind: Any = getattr(pb, f"{method}Request")
    made = getattr(rpc.manager, method)(kind(id=task_id), metadata=bearer(keys["mine"]))
    refusal = await refused(made.read() if method == "WatchTask" else made)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_UNKNOWN")
    assert "mine~" not in refusal.message
    record = await rpc.api.store.get("theirs~t1")
    assert record is not None
    assert record.status is not Status.CANCELLED


async def test_a_stream_and_its_refusals_are_of_the_key(rpc: GrpcApi, keys: dict[str, str]) -> None:
    """Ids and keys of others are no conflicts, and what is told names no namespace."""
    await rpc.add(keys["theirs"], id="a")
    await rpc.add(keys["mine"], id="b", method="DELETE")
    sent = [pb.AddTaskRequest(task=pb.NewTask(id=each, url=URL)) for each in ("a", "b")]
    call = rpc.manager.AddTasks(iter(sent), metadata=bearer(keys["mine"]))
    first, second = [each async for each in call]
    assert (first.id, first.created) == ("a", True)
    assert second.refusal.reason == "STATE_CONFLICT"
    assert "mine~" not in str(second)
    assert await rpc.api.store.get("mine~a") is not None


async def test_a_cursor_of_another_leads_nowhere(rpc: GrpcApi, keys: dict[str, str]) -> None:
    """A page token that somebody else got shows only tasks of the key that uses it."""
    for number in range(3):
        await rpc.add(keys["theirs"], id=f"t{number}")
    await rpc.add(keys["mine"], id="own")
    page = await rpc.manager.ListTasks(pb.ListTasksRequest(page_size=1), metadata=bearer(keys["theirs"]))
    request = pb.ListTasksRequest(page_token=page.next_page_token)
    mine = await rpc.manager.ListTasks(request, metadata=bearer(keys["mine"]))
    assert {task.id for task in mine.tasks} <= {"own"}


def test_each_method_is_looked_at_here() -> None:
    """Those that name a task, and these; a new one needs a test of its own."""
    named = {each.full_name for each in MANAGER.methods if "id" in each.input_type.fields_by_name}
    others = {f"{MANAGER.full_name}.{name}" for name in ("AddTask", "AddTasks", "ListTasks")}
    # All keys share executors, as they do over HTTP.
    shared = {name for name in METHODS if "Executor" in name.rpartition(".")[2]}
    # A worker runs the tasks of all keys: it needs read:all.
    shared |= {name for name in METHODS if name.startswith(WORKER.full_name + ".")}
    assert named | others | shared == {*METHODS}
