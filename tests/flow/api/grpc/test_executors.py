"""TaskExecutorManager makes, changes and removes executors, and takes their tasks."""

import json
from typing import Any

import grpc
import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import GrpcApi, bearer, refused

SCHEMA = '{"type": "object", "required": ["width"], "properties": {"width": {"maximum": 1.0e3}}}'


async def create(rpc: GrpcApi, name: str = "resize_image", **fields: Any) -> pb.Executor:
    """An executor of the kind python, unless the fields say otherwise."""
    executor = pb.NewExecutor(**{"name": name, "kind": pb.EXECUTOR_KIND_PYTHON, **fields})
    made: pb.Executor = await rpc.manager.CreateExecutor(pb.CreateExecutorRequest(executor=executor))
    return made


async def test_an_executor_is_that_of_the_http_api(rpc: GrpcApi) -> None:
    """With every field that it was given, and shown alike on both sides."""
    made = await create(
        rpc,
        description="makes thumbnails",
        schema_json=SCHEMA,
        retry={"strategy": pb.STRATEGY_CONSTANT, "base": {"seconds": 2}},
        max_attempts=4,
        timeout={"seconds": 9},
        queue="low",
        write_concern=pb.WRITE_CONCERN_STORE,
        concurrency=3,
        rate=0.5,
        burst=2,
        retention={"seconds": 3600},
        dead_letters=pb.DeadLetterPolicy(enabled=False),
    )
    assert (made.version, made.enabled, made.managed_by) == (1, True, pb.MANAGED_BY_OPERATOR)
    assert (made.schema_json, made.dead_letters.enabled) == (SCHEMA, False)
    shown = (await rpc.api.get("/executors/resize_image")).json
    expected = {
        "kind": "python",
        "description": "makes thumbnails",
        "schema": json.loads(SCHEMA),
        "max_attempts": 4,
        "timeout": 9.0,
        "queue": "low",
        "write_concern": "store",
        "concurrency": 3,
        "rate": 0.5,
        "burst": 2,
        "retention": 3600.0,
        "dead_letters": {"enabled": False},
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["retry"]["strategy"] == "constant"
    read = await rpc.manager.GetExecutor(pb.GetExecutorRequest(name="resize_image"))
    listed = await rpc.manager.ListExecutors(pb.ListExecutorsRequest())
    assert read == made
    assert [*listed.executors] == [made]


async def test_an_update_changes_what_it_names(rpc: GrpcApi) -> None:
    """What is given; or what the mask names, and then what is not given is removed."""
    made = await create(rpc, description="old", max_attempts=4, schema_json=SCHEMA)

    async def update(mask: tuple[str, ...] = (), version: int | None = None, **fields: Any) -> Any:
        request = pb.UpdateExecutorRequest(
            executor=pb.NewExecutor(**{"name": made.name, **fields}),
            update_mask={"paths": mask} if mask else None,  # type: ignore[arg-type]  # a dict will do
            version=version,
        )
        return await rpc.manager.UpdateExecutor(request)

    changed = await update(enabled=False, version=1)
    assert (changed.version, changed.enabled, changed.description) == (2, False, "old")
    changed = await update(("description", "schema_json"), max_attempts=9)
    assert (changed.HasField("description"), changed.HasField("schema_json")) == (False, False)
    assert (changed.max_attempts, changed.version) == (4, 3)
    late = await refused(update(version=1, enabled=True))
    assert (late.code, late.reason) == (grpc.StatusCode.ABORTED, "PRECONDITION_FAILED")
    unknown = await refused(update(("descripton",)))
    assert unknown.code is grpc.StatusCode.INVALID_ARGUMENT
    assert 'did you mean "description"' in unknown.violations["update_mask"]


async def test_a_task_of_an_executor(rpc: GrpcApi) -> None:
    """Its data is checked by the schema, and kept as it was spelt."""
    await create(rpc, schema_json=SCHEMA)
    data = '{"width": 1.50, "width2": 1e2}'
    request = pb.AddTaskRequest(task=pb.NewTask(executor="resize_image", data_json=data))
    task = (await rpc.manager.AddTask(request)).task
    assert (task.executor, task.data_json, task.HasField("url")) == ("resize_image", data, False)
    record = await rpc.api.store.get(task.id)
    assert record is not None
    assert record.task.body == data
    found = await rpc.manager.ListTasks(pb.ListTasksRequest(executor="resize_image"))
    assert [each.id for each in found.tasks] == [task.id]


@pytest.mark.parametrize(
    ("task", "code", "reason", "field"),
    [
        ({"executor": "resize_imag"}, "INVALID_ARGUMENT", "TASK_INVALID", "executor"),
        ({"executor": "resize_image", "data_json": "{}"}, "INVALID_ARGUMENT", "TASK_INVALID", "data"),
        ({"executor": "resize_image", "data_json": "{"}, "INVALID_ARGUMENT", "TASK_INVALID", "data_json"),
        ({"data_json": "{}"}, "INVALID_ARGUMENT", "TASK_INVALID", ""),
        ({"executor": "off"}, "FAILED_PRECONDITION", "EXECUTOR_DISABLED", None),
    ],
)
async def test_a_task_that_an_executor_does_not_take(
    rpc: GrpcApi, task: dict[str, Any], code: str, reason: str, field: str | None
) -> None:
    """The finding names the field; one that is disabled is a conflict."""
    await create(rpc, schema_json=SCHEMA)
    await create(rpc, "off", enabled=False)
    refusal = await refused(rpc.manager.AddTask(pb.AddTaskRequest(task=pb.NewTask(**task))))
    assert (refusal.code.name, refusal.reason) == (code, reason)
    if field is not None:
        assert any(name.startswith(field) for name in refusal.violations), refusal


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Resize"}, "name"),
        ({"name": "http"}, "name"),
        ({"kind": 0}, "kind"),
        ({"kind": 99}, "kind"),
        ({"schema_json": '{"type": "none"}'}, "schema"),
        ({"schema_json": "{"}, "schema_json"),
        ({"kind": pb.EXECUTOR_KIND_HTTP}, ""),
        ({"timeout": {"seconds": -1}}, "timeout"),
        ({"concurrency": 0}, "concurrency"),
        ({"queue": "none"}, "queue"),
    ],
)
async def test_the_field_is_named(rpc: GrpcApi, fields: dict[str, Any], field: str) -> None:
    refusal = await refused(create(rpc, **fields))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "EXECUTOR_INVALID")
    assert any(name.startswith(field) for name in refusal.violations), refusal


async def test_one_with_live_tasks_is_not_deleted(rpc: GrpcApi) -> None:
    """Unless they are to be cancelled; afterwards it is unknown."""
    await create(rpc)
    task = pb.NewTask(id="t1", executor="resize_image", data_json="1")
    await rpc.manager.AddTask(pb.AddTaskRequest(task=task))
    delete = pb.DeleteExecutorRequest(name="resize_image")
    refusal = await refused(rpc.manager.DeleteExecutor(delete))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_CONFLICT")
    await rpc.manager.DeleteExecutor(pb.DeleteExecutorRequest(name="resize_image", cancel=True))
    assert (await rpc.manager.GetTask(pb.GetTaskRequest(id="t1"))).status == pb.STATUS_CANCELLED
    for call in (
        rpc.manager.DeleteExecutor(delete),
        rpc.manager.GetExecutor(pb.GetExecutorRequest(name="resize_image")),
        rpc.manager.UpdateExecutor(pb.UpdateExecutorRequest(executor=pb.NewExecutor(name="resize_image"))),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "EXECUTOR_UNKNOWN")


async def test_changes_are_audited(rpc: GrpcApi) -> None:
    """As those over HTTP are: what was done to which executor."""
    key = await rpc.api.make_key("boss", Scope.ADMIN)
    executor = pb.NewExecutor(name="e1", kind=pb.EXECUTOR_KIND_REMOTE)
    metadata = bearer(key)
    await rpc.manager.CreateExecutor(pb.CreateExecutorRequest(executor=executor), metadata=metadata)
    update = pb.UpdateExecutorRequest(executor=pb.NewExecutor(name="e1", enabled=False))
    await rpc.manager.UpdateExecutor(update, metadata=metadata)
    await rpc.manager.DeleteExecutor(pb.DeleteExecutorRequest(name="e1"), metadata=metadata)
    audit = (await rpc.api.ask("GET", "/audit", headers={"Authorization": f"Bearer {key}"})).json
    assert [(each["action"], each["target"]) for each in audit["entries"]] == [
        ("executors.delete", "e1"),
        ("executors.change", "e1"),
        ("executors.create", "e1"),
    ]
