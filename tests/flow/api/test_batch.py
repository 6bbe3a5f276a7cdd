"""`POST /tasks/batch`: many tasks in one request, each judged by itself."""

import json
import threading
from collections.abc import Mapping

import msgspec
import pytest

from taskrunner.api.views.batch import BatchAnswer
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.intake import Intake
from taskrunner.producer.publisher import Publisher
from tests.flow.api.harness import Api
from tests.tools.interposed import interposed

URL = "http://example.com/"
LINES = {"Content-Type": "application/x-ndjson"}


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_each_line_is_a_task_or_is_told_why_not(api: Api, prefix: str) -> None:
    """By the number of its line; blanks and comments have none."""
    lines = [
        URL,
        "",
        "# no task",
        json.dumps({"id": "mine", "url": URL, "priority": "high"}),
        "nope",
        '{"url":1,"x":1}',
        "{",
    ]
    answer = await api.ask("POST", f"{prefix}/tasks/batch", data="\n".join(lines), headers=LINES)
    assert answer.status == 200
    items = msgspec.json.decode(answer.content, type=BatchAnswer).items
    assert [(item.line, item.status) for item in items] == [(1, 202), (4, 202), (5, 422), (6, 422), (7, 400)]
    assert {error.field for error in items[3].errors} == {"url", "x"}
    assert (items[1].id, items[1].created, items[1].published) == ("mine", True, True)
    assert (await api.get("/tasks/mine")).json["queue"] == "high"
    again = await api.ask("POST", f"{prefix}/tasks/batch", data=lines[3], headers=LINES)
    assert [(item["id"], item["created"]) for item in again.json["items"]] == [("mine", False)]


async def test_an_array_is_a_batch_too(api: Api) -> None:
    """Its elements are URLs or objects, counted from 1."""
    answer = await api.ask("POST", "/tasks/batch", json=[URL, {"url": URL}, "", 5, None])
    assert [item["status"] for item in answer.json["items"]] == [202, 202, 422, 422, 422]
    assert (await api.ask("POST", "/tasks/batch", json=[])).json == {"items": []}


@pytest.mark.parametrize(
    ("data", "media_type", "status", "code"),
    [
        ("[", "application/json", 400, "bad_json"),
        ("[" * 100_000, "application/json", 400, "bad_json"),
        (json.dumps([URL] * 10_001), "application/json", 413, "body_too_large"),
        ("{}", "application/json", 400, "bad_json"),
        (URL, "application/json", 400, "bad_json"),
        (URL, "text/csv", 415, "unsupported_media_type"),
    ],
)
async def test_what_is_no_batch_is_refused_whole(
    api: Api, data: str, media_type: str, status: int, code: str
) -> None:
    await api.refusal(status, code, "POST", "/tasks/batch", data=data, headers={"Content-Type": media_type})
    assert (await api.get("/tasks")).json["tasks"] == []


async def test_without_the_store_nothing_is_accepted(api: Api) -> None:
    api.redis.connected = False
    await api.refusal(503, "store_unavailable", "POST", "/tasks/batch", data=URL, headers=LINES)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
async def test_an_array_is_cut_into_its_elements(api: Api, mark: bytes) -> None:
    """A bad element changes no other; a number, a string and a body stay as they are spelt."""
    elements = [
        rb'"http://example.com/x?name=a\ud83d&b=1"',
        b'{"url":"http://example.com/","body":[1.10,12345678901234567890.123456789]}',
        b'{"url":"http://example.com/","body":[%b]}' % (b"9" * 5000),
        rb'{"url":"http://example.com/x?name=a\ud83d&b=1"}',
        b'{"url":"http://example.com/\xff"}',
        b'{"url":"http://example.com/","max_attempts":%b}' % (b"9" * 5000),
        b'{"url":"http://example.com/","timeout":NaN}',
        b'{"url":"http://example.com/","url":"http://example.net/"}',
        b'{"url":"http://example.com/","body":' + b"[" * 100 + b"]" * 100 + b"}",
        b' "http://example.com/last" ',
    ]
    raw = mark + b"[" + b" , ".join(elements) + b"]\n"
    answer = await api.ask("POST", "/tasks/batch", data=raw, headers={"Content-Type": "application/json"})
    items = answer.json["items"]
    alone = [
        (await api.ask("POST", "/tasks", data=each, headers={"Content-Type": "application/json"})).status
        for each in elements[1:9]
    ]
    assert [item["status"] for item in items] == [422, *alone, 202]
    assert {*alone} == {202, 400, 422}
    bodies = [record.task.body for item in items[1:3] if (record := await api.store.get(item["id"]))]
    assert bodies == ["[1.10,12345678901234567890.123456789]", f"[{'9' * 5000}]"]


async def test_a_byte_order_mark_hides_no_line(api: Api) -> None:
    """It is no part of the first one."""
    raw = b"\xef\xbb\xbf" + f"{URL}\n{URL}".encode()
    answer = await api.ask("POST", "/tasks/batch", data=raw, headers=LINES)
    assert [item["status"] for item in answer.json["items"]] == [202, 202]


async def test_each_item_is_answered_as_a_submit_is(api: Api) -> None:
    """A taken id is told, also one of a deleted task, and one that is taken within the same batch."""
    for task_id in ("same", "other", "gone"):
        await api.submit(id=task_id, delay=60)
    await api.ask("DELETE", "/tasks/gone")
    tasks = [
        {"id": "same", "url": URL, "delay": 60.0},
        {"id": "other", "url": URL + "b", "delay": 60},
        {"id": "gone", "url": URL, "delay": 60},
        {"id": "new", "url": URL},
        {"id": "new", "url": URL + "b"},
        {"id": "new", "url": URL},
    ]
    alone = [(await api.ask("POST", "/tasks", json=task)).status for task in tasks[:3]]
    items = (await api.ask("POST", "/tasks/batch", json=tasks)).json["items"]
    assert [item["status"] for item in items] == [202, 409, 409, 202, 409, 202]
    assert alone == [202, 409, 409]
    assert [item["created"] for item in items] == [False, False, False, True, False, False]
    assert "another content" in items[1]["errors"][0]["message"]
    assert "deleted" in items[2]["errors"][0]["message"]
    assert msgspec.json.decode(msgspec.json.encode({"items": items}), type=BatchAnswer).items[0].status == 202


async def test_a_key_holds_for_each_item(api: Api) -> None:
    """By its place: a repeated batch makes no second task, and a changed item is told."""
    headers = {"Idempotency-Key": "k"}
    first = await api.ask("POST", "/tasks/batch", json=[URL, {"url": URL}], headers=headers)
    again = await api.ask(
        "POST", "/tasks/batch", json=[{"url": URL}, {"url": URL + "b"}, URL], headers=headers
    )
    ids = [item["id"] for item in first.json["items"]]
    assert [item["status"] for item in again.json["items"]] == [202, 422, 202]
    assert [item["created"] for item in again.json["items"]] == [False, False, True]
    assert again.json["items"][0]["id"] == ids[0]
    assert again.json["items"][1]["errors"][0]["field"] == "Idempotency-Key"
    assert (await api.ask("POST", "/tasks", json={"url": URL}, headers=headers)).json["id"] not in ids


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson", "text/csv", ""])
@pytest.mark.parametrize("data", [None, b""])
async def test_a_batch_without_a_body_is_told_what_to_send(
    api: Api, data: bytes | None, media_type: str
) -> None:
    """Whatever its Content-Type."""
    headers = {"Content-Type": media_type} if media_type else {}
    problem = await api.refusal(400, "bad_request", "POST", "/tasks/batch", data=data, headers=headers)
    assert "send a JSON array" in problem["detail"]


async def test_the_findings_of_a_batch_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together, not only those of a line, and many bytes are checked off the event loop."""
    checked: list[bool] = []
    read = TaskDraft.from_json

    def counted(raw: bytes, limits: TaskLimits) -> TaskDraft:
        checked.append(threading.current_thread() is threading.main_thread())
        return read(raw, limits)

    monkeypatch.setattr(TaskDraft, "from_json", counted)
    bad = b'{"url":"http://example.com/","rules":[%b]}' % b",".join([b"0"] * 2000)
    answer = await api.ask("POST", "/tasks/batch", data=b"\n".join([bad] * 30), headers=LINES)
    items = answer.json["items"]
    assert [item["status"] for item in items] == [422] * 30
    assert checked == [False] * 3
    assert len(answer.content) < 30_000
    assert "correct them first" in items[-1]["errors"][0]["message"]


async def test_a_repeated_bulk_reads_its_records_at_once(api: Api) -> None:
    """Whether each is the same request as before is judged by one read, not by one for each."""
    reads = list[int]()

    async def count(found: Mapping[str, Record]) -> None:
        reads.append(len(found))

    store = interposed(api.store, "get_many", count)
    publisher = Publisher(api.broker, api.store, Events(), api.clock, forgotten_after=300)
    intake = Intake(
        store, publisher, Events(), api.clock, TaskSettingsSource(), hold=10, webhooks=WebhookSource(())
    )
    batch = [
        intake.prepare(TaskDraft(id=f"task-{number}", url=f"{URL}{number}"), idempotency_key=None)
        for number in range(100)
    ]
    for is_new in (True, False):
        done = await intake.submit_many(batch)
        assert [(each.created, each.refusal) for each in done] == [(is_new, None)] * 100
    assert reads == [100]


async def test_a_large_batch_is_answered_in_order(api: Api) -> None:
    """In parts, each task with its own key; a bad one and a repeated one change no other."""
    tasks = [{"url": f"{URL}{number}", "idempotency_key": f"k{number}"} for number in range(1200)]
    tasks[600] = {"url": "nope"}
    tasks[900] = tasks[5]
    items = (await api.ask("POST", "/tasks/batch", json=tasks)).json["items"]
    assert [item["line"] for item in items] == list(range(1, 1201))
    assert [item["line"] for item in items if item["status"] != 202] == [601]
    assert items[900]["id"] == items[5]["id"]
    assert [item["line"] for item in items if item["status"] == 202 and not item["created"]] == [901]
    again = (await api.ask("POST", "/tasks/batch", json=tasks)).json["items"]
    assert [item["id"] for item in again] == [item["id"] for item in items]
    assert not any(item["created"] for item in again)
    alone = await api.ask("POST", "/tasks", json={"url": f"{URL}7"}, headers={"Idempotency-Key": "k7"})
    assert alone.json["id"] == items[7]["id"]


async def test_a_task_of_a_batch_is_no_larger_than_one_alone(api: Api) -> None:
    """413 for it, and only for it."""
    large = {"url": URL, "body": "x" * (600 * 1024)}
    answer = await api.ask("POST", "/tasks/batch", json=[URL, large, URL])
    assert [item["status"] for item in answer.json["items"]] == [202, 413, 202]
    assert answer.json["items"][1]["code"] == "body_too_large"


ATOMIC_REFUSALS = [
    ([URL, "nope"], 422, "2.url"),
    ([{"id": "taken", "url": URL + "b"}, URL], 409, "1.id"),
    ([URL, {"id": "gone", "url": URL}], 409, "2.id"),
    ([URL, {"url": URL + "b", "idempotency_key": "used"}], 422, "2.Idempotency-Key"),
    ([{"id": "x", "url": URL}, {"id": "x", "url": URL}], 422, "2.id"),
    ([{"idempotency_key": "x", "url": URL}] * 2, 422, "2.idempotency_key"),
]


@pytest.mark.parametrize(("tasks", "status", "field"), ATOMIC_REFUSALS)
async def test_an_atomic_batch_is_refused_whole(
    api: Api, tasks: list[object], status: int, field: str
) -> None:
    """Whatever hinders one task; the errors begin with its number."""
    await api.submit(id="taken", delay=60)
    await api.submit(id="gone", delay=60)
    await api.ask("DELETE", "/tasks/gone")
    await api.ask("POST", "/tasks/batch", json=[{"url": URL, "idempotency_key": "used"}])
    before = len((await api.get("/tasks")).json["tasks"])
    problem = await api.refusal(status, "batch_refused", "POST", "/tasks/batch?atomic=true", json=tasks)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert len((await api.get("/tasks")).json["tasks"]) == before


async def test_an_atomic_batch_is_accepted_whole_and_may_be_repeated(api: Api) -> None:
    """Also where some of its tasks were accepted before."""
    tasks = [{"id": "a", "url": URL}, {"url": URL, "idempotency_key": "k"}]
    first = (await api.ask("POST", "/tasks/batch?atomic=true", json=tasks)).json["items"]
    again = (await api.ask("POST", "/tasks/batch?atomic=true", json=[*tasks, URL])).json["items"]
    assert [item["created"] for item in first + again] == [True, True, False, False, True]
    assert [item["id"] for item in again[:2]] == [item["id"] for item in first]
    too_many = await api.refusal(413, "body_too_large", "POST", "/tasks/batch?atomic=true", json=[URL] * 501)
    assert "500" in too_many["detail"]
