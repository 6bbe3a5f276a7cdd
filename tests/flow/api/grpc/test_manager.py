"""TaskExecutorManager submits, shows, lists, cancels and watches tasks, as the HTTP API does."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import URL, GrpcApi, refused, rest_of
from tests.tools.waiting import in_time


async def test_a_task_has_all_that_was_asked_for(rpc: GrpcApi) -> None:
    """What gRPC takes, the HTTP API shows."""
    task = pb.NewTask(
        id="t1",
        url=URL,
        method="POST",
        headers={"Accept": "text/plain"},
        body_json='{"n": 1.10, "n2": 1e400}',
        priority=pb.PRIORITY_HIGH,
        max_attempts=3,
        retry=pb.RetryDraft(strategy=pb.STRATEGY_LINEAR, jitter=0.0),
        retry_on=[404],
        redirects=pb.REDIRECTS_KEEP,
        labels={"team": "a"},
        dedup=pb.Dedup(key="k", mode=pb.DEDUP_MODE_REJECT),
        callback=pb.Callback(url="http://hook.test/", events=[pb.STATUS_FAILED]),
    )
    task.timeout.FromMilliseconds(1500)
    task.retry.base.FromSeconds(2)
    task.dedup.ttl.FromSeconds(60)
    task.rules.add().update({"when": {"status": 200, "json": {"path": "$.a", "equals": "b"}}, "then": "fail"})
    run_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    task.run_at.FromDatetime(run_at)
    answer = await rpc.manager.AddTask(pb.AddTaskRequest(task=task))
    assert (answer.created, answer.task.id, answer.task.status) == (True, "t1", pb.STATUS_SCHEDULED)
    shown = (await rpc.api.get("/tasks/t1")).json
    expected = {
        "method": "POST",
        "headers": {"Accept": "text/plain", "Content-Type": "application/json"},
        "queue": "high",
        "max_attempts": 3,
        "timeout": 1.5,
        "retry_on": [404],
        "redirects": "keep",
        "labels": {"team": "a"},
        "dedup": {"key": "k", "ttl": 60.0, "mode": "reject"},
        "body_size": len('{"n": 1.10, "n2": 1e400}'),
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["retry"] == {"strategy": "linear", "base": 2.0, "cap": 300.0, "jitter": 0.0, "delays": []}
    assert shown["callback"]["events"] == ["failed"]
    assert shown["rules"][0]["when"]["status"] == [200]
    assert datetime.fromisoformat(shown["run_at"]) == run_at
    record = await rpc.api.store.get("t1")
    assert record is not None
    assert record.task.body == '{"n": 1.10, "n2": 1e400}'
    read = await rpc.manager.GetTask(pb.GetTaskRequest(id="t1"))
    assert read.run_at.ToDatetime(UTC) == run_at
    assert read.timeout.ToMilliseconds() == 1500
    assert read.rules[0]["then"] == "fail"
    assert (read.dedup.mode, read.callback.events) == (pb.DEDUP_MODE_REJECT, [pb.STATUS_FAILED])


@pytest.mark.parametrize(
    ("body", "stored"), [(b"text", ("text", None)), (b"\xff\x00", (None, "/wA=")), (b"", ("", None))]
)
async def test_a_body_is_bytes(rpc: GrpcApi, body: bytes, stored: tuple[str | None, str | None]) -> None:
    """Text is kept as text, other bytes as Base64."""
    answer = await rpc.add(method="POST", body=body)
    record = await rpc.api.store.get(answer.task.id)
    assert record is not None
    assert (record.task.body, record.task.body_base64) == stored
    assert record.task.content == body


async def test_a_finished_task_has_its_result(rpc: GrpcApi) -> None:
    """The fetched bytes are shown as they are, also if they are no text."""
    task_id = (await rpc.add()).task.id
    body = b"\xff\x00bytes"
    await rpc.api.finish(task_id, Status.SUCCEEDED, Response(status=200, body=body, size_bytes=len(body)))
    task = await rpc.manager.GetTask(pb.GetTaskRequest(id=task_id))
    assert (task.status, task.result.status_code, task.result.body) == (pb.STATUS_SUCCEEDED, 200, body)
    assert [each.outcome for each in task.attempts] == ["ok"]
    assert task.HasField("finished_at")
    status = await rpc.manager.GetTaskStatus(pb.GetTaskStatusRequest(id=task_id))
    assert (status.status, status.attempt, status.HasField("error")) == (pb.STATUS_SUCCEEDED, 1, False)


async def test_the_same_key_is_the_same_task(rpc: GrpcApi) -> None:
    """A repetition gets the task again, and another task under the key is refused."""
    request = pb.AddTaskRequest(task=pb.NewTask(url=URL), idempotency_key="k1")
    first, again = await rpc.manager.AddTask(request), await rpc.manager.AddTask(request)
    assert (first.created, again.created, again.task.id) == (True, False, first.task.id)
    request.task.method = "DELETE"
    refusal = await refused(rpc.manager.AddTask(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "IDEMPOTENCY_KEY_REUSED")


async def test_a_dedup_key_is_held(rpc: GrpcApi) -> None:
    """The answer is the task that holds the key, or a refusal, as the task asks."""
    first = await rpc.add(dedup=pb.Dedup(key="d"))
    again = await rpc.add(dedup=pb.Dedup(key="d"))
    assert (again.created, again.deduplicated, again.task.id) == (False, True, first.task.id)
    request = pb.AddTaskRequest(task=pb.NewTask(url=URL, dedup=pb.Dedup(key="d", mode=pb.DEDUP_MODE_REJECT)))
    refusal = await refused(rpc.manager.AddTask(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "DEDUP_KEY_HELD")


async def test_a_stream_of_tasks_is_answered_in_order(rpc: GrpcApi) -> None:
    """Each by its number, also those that are refused, and the valid ones are accepted."""

    async def requests() -> AsyncIterator[pb.AddTaskRequest]:
        for number in range(1, 601):
            url = "ftp://example.com/" if number % 100 == 0 else URL
            yield pb.AddTaskRequest(task=pb.NewTask(id=f"s{number}", url=url))

    answers = [each async for each in rpc.manager.AddTasks(requests())]
    assert [each.number for each in answers] == list(range(1, 601))
    refusals = [each for each in answers if each.HasField("refusal")]
    assert [each.number for each in refusals] == [100, 200, 300, 400, 500, 600]
    refusal = refusals[0].refusal
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "TASK_INVALID")
    assert [each.field for each in refusal.field_violations] == ["url"]
    assert all(each.created and each.id == f"s{each.number}" for each in answers if each not in refusals)
    assert await rpc.api.store.get("s599") is not None


async def test_an_open_stream_is_answered_at_once(rpc: GrpcApi) -> None:
    """A client may wait for the answer to a task before it sends the next one."""
    call = rpc.manager.AddTasks()
    for number in (1, 2):
        await call.write(pb.AddTaskRequest(task=pb.NewTask(url=URL)))
        async with in_time("the answer"):
            answer = await call.read()
        assert (answer.number, answer.created) == (number, True)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_lists_select_and_page(rpc: GrpcApi) -> None:
    """The newest first, as many as are asked for, and those that meet the conditions."""
    ids = [(await rpc.add(labels={"n": str(number)})).task.id for number in range(5)]
    seen, token = [], ""
    while True:
        page = await rpc.manager.ListTasks(pb.ListTasksRequest(page_size=2, page_token=token))
        seen += [task.id for task in page.tasks]
        token = page.next_page_token
        if not token:
            break
        assert len(page.tasks) == 2
    assert seen == ids[::-1]
    for conditions, found in (
        ({"labels": {"n": "3"}}, [ids[3]]),
        ({"labels": {"n": ""}, "oldest_first": True}, ids),
        ({"status": pb.STATUS_FAILED}, []),
        ({"host": "example.com", "page_size": 1}, [ids[4]]),
    ):
        page = await rpc.manager.ListTasks(pb.ListTasksRequest(**conditions))
        assert [task.id for task in page.tasks] == found, conditions


async def test_a_page_fits_into_a_message(rpc: GrpcApi) -> None:
    """Clients take 4 MiB; a page of more ends early, and the next one goes on there."""
    long = URL + "x" * 7000
    ids = [(await rpc.add(url=long)).task.id for _ in range(5)]
    seen, token, sizes = [], "", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskrunner.grpc.task_methods._PAGE_BYTES", 20_000)
        while True:
            page = await rpc.manager.ListTasks(pb.ListTasksRequest(page_token=token))
            seen += [task.id for task in page.tasks]
            sizes.append(page.ByteSize())
            token = page.next_page_token
            if not token:
                break
    assert seen == ids[::-1]
    assert len(sizes) > 1
    assert max(sizes) < 21_000


async def test_a_task_is_cancelled_once(rpc: GrpcApi) -> None:
    """A cancelled one stays so; one that has ended is not cancelled."""
    task_id = (await rpc.add()).task.id
    for _ in range(2):
        task = await rpc.manager.CancelTask(pb.CancelTaskRequest(id=task_id))
        assert task.status == pb.STATUS_CANCELLED
    done = (await rpc.add()).task.id
    await rpc.api.finish(done, Status.SUCCEEDED)
    refusal = await refused(rpc.manager.CancelTask(pb.CancelTaskRequest(id=done)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_CONFLICT")


async def test_a_watch_ends_with_the_task(rpc: GrpcApi) -> None:
    """It has the status now and each that follows; of an ended task only that one."""
    task_id = (await rpc.add()).task.id
    await rpc.api.queued(task_id)
    call = rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id))
    async with in_time("the end of the stream"):
        first = await call.read()
        assert (first.task_id, first.status) == (task_id, pb.STATUS_QUEUED)
        await rpc.api.finish(task_id, Status.SUCCEEDED)
        rest = await rest_of(call)
    assert rest[-1].status == pb.STATUS_SUCCEEDED
    again = [each async for each in rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id))]
    assert [(each.status, each.task.attempt) for each in again] == [(pb.STATUS_SUCCEEDED, 1)]


async def test_a_watch_tells_of_a_deletion(rpc: GrpcApi) -> None:
    task_id = (await rpc.add()).task.id
    call = rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id))
    async with in_time("the end of the stream"):
        await call.read()
        await rpc.api.ask("DELETE", f"/tasks/{task_id}")
        events = await rest_of(call)
    assert (events[-1].status, events[-1].HasField("task")) == (pb.STATUS_UNSPECIFIED, False)


@pytest.mark.parametrize("task_id", ["", "none", "no id", "x" * 5000, "é"])
async def test_an_unknown_task_is_not_found(rpc: GrpcApi, task_id: str) -> None:
    """By every method that names one."""
    for call in (
        rpc.manager.GetTask(pb.GetTaskRequest(id=task_id)),
        rpc.manager.GetTaskStatus(pb.GetTaskStatusRequest(id=task_id)),
        rpc.manager.CancelTask(pb.CancelTaskRequest(id=task_id)),
        rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id)).read(),
    ):
        refusal = await refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "TASK_UNKNOWN")
