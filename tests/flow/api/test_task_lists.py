"""Lists of tasks: their order, their text search, the members asked for, the link to the next page."""

from datetime import timedelta
from typing import Any
from urllib.parse import urljoin

import fakeredis
import pytest

from taskrunner.api.views.task_part import BASIC_FIELDS, TASK_FIELDS
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.hosts.host_state import HostState, encode_state
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.process_events import RequestFailed
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.contract.stores.harness import NOW, entry, make_task, message
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN


async def ids(api: Api, query: str) -> list[str]:
    answer = await api.get(f"/tasks?{query}")
    assert answer.status == 200, answer.content
    return [task["id"] for task in answer.json["tasks"]]


async def bring(api: Api, count: int) -> None:
    """Tasks t0, t1, …, in the order of their creation."""
    for number in range(count):
        task = make_task(
            id=f"t{number}", created_at=NOW + timedelta(seconds=number), labels={"odd": str(number % 2)}
        )
        await api.store.accept([entry(task)])


async def test_the_order_is_the_one_that_is_asked_for(api: Api) -> None:
    await bring(api, 4)
    assert await ids(api, "") == await ids(api, "sort=-created_at") == ["t3", "t2", "t1", "t0"]
    assert await ids(api, "sort=created_at") == ["t0", "t1", "t2", "t3"]
    assert await ids(api, "sort=created_at&label=odd=1") == ["t1", "t3"]
    after = (NOW + timedelta(seconds=2)).isoformat().replace("+00:00", "Z")
    assert await ids(api, f"sort=created_at&created_after={after}") == ["t2", "t3"]


@pytest.mark.parametrize(
    "order", ["url", "-due_at", "created_at,id", "+created_at", "CREATED_AT", "", "desc"]
)
async def test_an_order_without_an_index_is_refused(api: Api, order: str) -> None:
    """By name: an order that the store would have to sort for costs as much as there are tasks."""
    problem = await api.refusal(400, "bad_query", "GET", f"/tasks?sort={order}")
    assert [error["field"] for error in problem["errors"]] == ["sort"]
    assert "must be one of -created_at, created_at" in problem["detail"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("team", ["a", "b"]),
        ("RED", ["a"]),
        ("stra%C3%9Fe", ["c"]),
        ("STRASSE", ["c"]),
        ("%25", ["c"]),
        ("*", []),
        ("m=r", []),
        ("teamred", []),
    ],
)
async def test_a_text_in_a_label_is_found(api: Api, text: str, expected: list[str]) -> None:
    """In its name or its value, in any case; no character has a meaning of its own."""
    await api.submit(id="a", labels={"team": "red"})
    await api.submit(id="b", labels={"Team": "blue"})
    await api.submit(id="c", labels={"x": "Straße 100%"})
    assert await ids(api, f"label_text={text}&sort=created_at") == expected


async def test_the_members_that_are_asked_for_and_no_others(api: Api) -> None:
    """Of a list and of a read, with the values that they have in full; in the order of the answer."""
    await api.submit(id="a", headers={"Authorization": "secret"}, labels={"team": "red"})
    await api.finish("a", Status.SUCCEEDED, Response(status=200, body=b"hi", size_bytes=2))
    full = (await api.get("/tasks/a")).json
    assert list(full) == list(TASK_FIELDS)
    for query, names in (
        ("fields=id", ["id"]),
        ("fields=labels,id,labels", ["id", "labels"]),
        ("fields=labels&fields=id", ["id", "labels"]),
        (f"fields={','.join(TASK_FIELDS)}", list(TASK_FIELDS)),
        ("fields=id&view=full", list(TASK_FIELDS)),
        (
            "fields=headers,id&view=basic",
            [each for each in TASK_FIELDS if each in (*BASIC_FIELDS, "headers")],
        ),
        ("view=full", list(TASK_FIELDS)),
        ("view=basic", [name for name in TASK_FIELDS if name in BASIC_FIELDS]),
    ):
        wanted = {name: full[name] for name in names}
        read = await api.get(f"/tasks/a?{query}")
        listed = (await api.get(f"/tasks?{query}")).json["tasks"]
        assert read.json == wanted
        assert listed == [{**wanted, **({"result": None} if "result" in wanted else {})}] or listed == [
            {**wanted, "result": {**wanted["result"], "body": None}}
        ]
        assert list(read.json) == names
    assert full["headers"]["Authorization"] != "secret"


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("fields=lables", "fields", "there is no 'lables', did you mean \"labels\"?"),
        ("fields=", "fields", "there is no ''"),
        ("fields=id,", "fields", "there is no ''"),
        ("fields=id, url", "fields", "there is no ' url', did you mean \"url\"?"),
        ("fields=result.status", "fields", "there is no 'result.status'"),
        ("view=short", "view", "must be one of full, basic, got 'short'"),
        ("field=id", "field", 'did you mean "fields"?'),
    ],
)
@pytest.mark.parametrize("path", ["/tasks", "/tasks/a"])
async def test_wrong_members_are_refused(api: Api, path: str, query: str, field: str, words: str) -> None:
    await api.submit(id="a")
    problem = await api.refusal(400, "bad_query", "GET", f"{path}?{query}")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert words in problem["detail"]


async def test_other_parts_of_a_task_have_other_tags(api: Api) -> None:
    """RFC 9110 8.8.3: a strong tag is of the bytes."""
    await api.submit(id="a")
    tags = [
        (await api.get(f"/tasks/a{query}")).headers["ETag"] for query in ("", "?view=basic", "?fields=id,url")
    ]
    assert len(set(tags)) == 3
    for query, tag in (("?view=basic", tags[1]), ("", tags[0])):
        answer = await api.ask("GET", f"/tasks/a{query}", headers={"If-None-Match": tag})
        assert answer.status == 304
    assert (await api.ask("GET", "/tasks/a", headers={"If-None-Match": tags[1]})).status == 200


async def test_a_part_is_as_described(api: Api) -> None:
    """The document has the full answer and the part; a member of the part may be missing, not be another."""
    document = (await api.get("/openapi.json")).json
    for path, names in (("/tasks", ["TaskPage", "TaskPartPage"]), ("/tasks/{id}", ["TaskView", "TaskPart"])):
        operation = document["paths"][path]["get"]
        content = operation["responses"]["200"]["content"]
        assert [
            each["$ref"].rpartition("/")[2] for each in content["application/json"]["schema"]["anyOf"]
        ] == names
        (fields,) = [each for each in operation["parameters"] if each["name"] == "fields"]
        assert (fields["style"], fields["explode"], fields["schema"]["type"]) == ("form", False, "array")
        assert fields["schema"]["items"]["enum"] == list(TASK_FIELDS)
    assert "application/x-ndjson" in document["paths"]["/tasks"]["get"]["responses"]["200"]["content"]
    schemas = document["components"]["schemas"]
    assert schemas["TaskPart"]["properties"].keys() == schemas["TaskView"]["properties"].keys()
    assert schemas["TaskPart"]["required"] == []


async def follow(api: Api, path: str, **options: Any) -> list[Answer]:
    """All pages, by their links alone, which a client resolves against the URL that it asked for."""
    answers = [await api.ask("GET", path, **options)]
    while "Link" in answers[-1].headers:
        assert len(answers) < 50
        target = answers[-1].headers["Link"].removeprefix("<").partition(">")[0]
        path = urljoin(f"http://any.test{path}", target).removeprefix("http://any.test")
        answers.append(await api.ask("GET", path, **options))
    return answers


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_links_lead_through_every_list(api: Api, prefix: str) -> None:
    """Each has the next cursor, and everything else that the client asked for."""
    await bring(api, 5)
    await api.store.add_dead_messages([message(f"m{number}") for number in range(5)], retention=60)
    for number in range(5):
        entry = HostEntry(
            host=f"[2001:db8::{number}]:8080",
            version="1",
            encoded=encode_state(HostState()),
            until=SystemClock().now() + timedelta(hours=1 + number // 2),
        )
        await api.store.write_hosts([HostEdit(entry=entry, expected=None)], now=SystemClock().now())
        await api.ask("POST", "/operations", json={"action": "cancel", "ids": [f"none{number}"]})
        cron = {"name": f"s{number}", "cron": "0 4 * * *", "task": {"url": "http://a.test/"}}
        await api.ask("POST", "/schedules", json=cron)
        await api.ask("DELETE", f"/schedules/s{number}") if number > 2 else None
    for path, name, count in (
        ("/tasks?limit=2&label=odd=0", "tasks", 3),
        ("/tasks?limit=2&label=odd&sort=created_at&created_after=2030-01-01T00:00:00%2B02:00", "tasks", 5),
        ("/tasks?limit=1&cursor=99999999999999:x&label_text=o%20d%26&label_text=", "", 0),
        ("/dead-letters?limit=2", "dead_letters", 5),
        ("/schedules?limit=2", "schedules", 3),
        ("/hosts?limit=2", "hosts", 5),
        ("/operations?limit=2", "operations", 5),
        ("/audit?limit=1&action=schedules.delete", "entries", 2),
    ):
        if not name:
            await api.refusal(400, "bad_query", "GET", prefix + path)
            continue
        pages = await follow(api, prefix + path)
        found = [item for page in pages for item in page.json[name]]
        assert len(found) == count
        assert len({str(item) for item in found}) == count
        for page in pages:
            assert ("Link" in page.headers) is (page.json["next_cursor"] is not None)


async def test_a_link_is_of_safe_characters(api: Api) -> None:
    """Whatever the query has: nothing that ends the target, the header or the line."""
    await bring(api, 3)
    hostile = "%3E%3B%20rel%3D%22prev%22%0D%0AX-Evil%3A%201%26limit%3D7"
    await api.submit(id="u", labels={"odd": '>; rel="prev"\r\nX-Evil: 1&limit=7'})
    await api.submit(id="v", labels={"odd": '>; rel="prev"\r\nX-Evil: 1&limit=7'})
    pages = await follow(api, f"/tasks?limit=1&label_text={hostile}")
    assert [task["id"] for page in pages for task in page.json["tasks"]] == ["v", "u"]
    link = pages[0].headers["Link"]
    assert (link.count(">"), link.count('"'), link.count("rel=")) == (1, 2, 1)
    assert "X-Evil" not in pages[0].headers


async def test_nothing_of_others_is_found(api: Api) -> None:
    """Neither by the text of a label nor by the name of the key, in either order, nor told by a link."""
    keys = {name: bearer(await api.make_key(name, *OWN)) for name in ("mine", "theirs")}
    keys["boss"] = bearer(await api.make_key("boss", Scope.ADMIN))
    for name in ("theirs", "mine"):
        for number in range(3):
            task = {"url": "http://a.test/", "id": f"x{number}", "labels": {"plan": f"secret-{name}"}}
            assert (await api.ask("POST", "/tasks", json=task, headers=keys[name])).status == 202
    for query, mine, every in (
        ("label_text=secret-theirs", 0, 3),
        ("label_text=SECRET", 3, 6),
        ("created_by=theirs", 0, 3),
        ("created_by=mine", 3, 3),
        ("sort=created_at", 3, 6),
        ("sort=created_at&label_text=plan&view=basic", 3, 6),
    ):
        for name, expected in (("mine", mine), ("boss", every)):
            pages = await follow(api, f"/tasks?limit=2&{query}", headers=keys[name])
            tasks = [task for page in pages for task in page.json["tasks"]]
            assert len(tasks) == expected
            if name == "mine":
                assert {task["created_by"] for task in tasks} <= {"mine"}
                told = " ".join(f"{page.content.decode()} {page.headers.get('Link', '')}" for page in pages)
                assert "theirs" not in told.replace(query.partition("&")[0], "")
                assert "~" not in told


@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks?limit=1", "/tasks/a", "/tasks?cursor=5:x&sort=created_at"]
)
async def test_a_record_that_cannot_be_read_is_no_fault_of_the_client(api: Api, path: str) -> None:
    """500, with the id of the error under which the log tells more: no cursor was wrong."""
    await api.submit(id="a")
    await fakeredis.FakeAsyncRedis(server=api.redis).hset("{taskrunner}:task:a", "encoded", "{broken")
    problem = await api.refusal(500, "internal_error", "GET", path)
    assert problem["instance"].startswith("urn:uuid:")
    assert [event for event in api.events if isinstance(event, RequestFailed)]
    await api.refusal(400, "bad_query", "GET", "/tasks?cursor=nonsense")
