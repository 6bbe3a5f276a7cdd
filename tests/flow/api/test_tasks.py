"""`/tasks`: what goes in, what comes out, and what is refused."""

import asyncio
import hashlib
import json
import zlib
from typing import Any

import pytest

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api
from tests.tools.waiting import eventually

URL = "http://example.com/"


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_task_is_accepted_and_can_be_read_where_location_points(api: Api, prefix: str) -> None:
    answer = await api.ask(
        "POST", f"{prefix}/tasks", json={"url": URL, "labels": {"a": "b"}, "fairness_key": "f"}
    )
    assert answer.status == 202
    task = answer.json
    assert answer.headers["Location"] == f"{prefix}/tasks/{task['id']}"
    assert (task["url"], task["method"], task["queue"]) == (URL, "GET", "medium")
    assert (task["status"], task["attempt"], task["attempts"], task["result"]) == ("queued", 0, [], None)
    read = await api.get(answer.headers["Location"])
    assert (read.status, read.json["id"], read.json["labels"]) == (200, task["id"], {"a": "b"})
    assert read.json["fairness_key"] == "f"
    assert read.json.keys() == task.keys()
    assert read.json["created_at"] == task["created_at"]
    assert task["created_at"].endswith("Z")


async def test_a_delayed_task_is_scheduled_and_tells_when(api: Api) -> None:
    task = (await api.submit(delay=60)).json
    assert task["status"] == "scheduled"
    assert task["due_at"] == task["run_at"] != None  # noqa: E711 - one chain reads better


async def test_with_the_broker_away_a_task_is_accepted_all_the_same(api: Api) -> None:
    api.broker.disconnect()
    answer = await api.submit()
    assert (answer.status, answer.json["status"]) == (202, "scheduled")


async def test_with_the_store_away_the_answer_is_503_and_when_to_try_again(api: Api) -> None:
    api.redis.connected = False
    answer = await api.submit()
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "localhost" not in answer.content.decode()
    await api.refusal(503, "store_unavailable", "GET", "/tasks")
    api.redis.connected = True

    async def is_accepted() -> bool:
        return (await api.submit()).status == 202

    await eventually(is_accepted)


async def test_every_bad_field_is_told_at_once(api: Api) -> None:
    bad = {"url": "ftp://x", "method": "BREW", "timeout": -1, "retry": {"base": "x"}, "prioritty": "high"}
    problem = await api.refusal(422, "task_invalid", "POST", "/tasks", json=bad)
    told = {error["field"]: error["message"] for error in problem["errors"]}
    assert told.keys() == {"url", "method", "timeout", "retry.base", "prioritty"}
    assert 'did you mean "priority"' in told["prioritty"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"url": "http://example.com/"} x',
        b'{"url":"http://e/","body":' + b"[" * 5000,
    ],
    ids=["empty", "cut", "not UTF-8", "more behind it", "deep"],
)
async def test_what_is_no_json_is_400(api: Api, raw: bytes) -> None:
    await api.refusal(
        400, "bad_json", "POST", "/tasks", data=raw, headers={"Content-Type": "application/json"}
    )


@pytest.mark.parametrize("value", [[], "x", 1, None, [{"url": URL}]])
async def test_json_that_is_no_object_is_422(api: Api, value: Any) -> None:
    headers = {"Content-Type": "application/json"}
    await api.refusal(422, "task_invalid", "POST", "/tasks", data=json.dumps(value), headers=headers)


async def test_a_body_is_nested_up_to_32_deep(api: Api) -> None:
    deep: Any = []
    for _ in range(31):
        deep = [deep]
    assert (await api.submit(body=deep)).status == 202
    problem = await api.refusal(400, "bad_json", "POST", "/tasks", json={"url": URL, "body": [deep]})
    assert problem["errors"][0]["field"] == "body"


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8", "a/b+json"])
async def test_json_by_any_name_or_none_is_taken(api: Api, kind: str | None) -> None:
    head = (
        f"POST /tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(URL) + 10}\r\n"
    )
    kind_line = f"Content-Type: {kind}\r\n" if kind else ""
    answer = await api.talk(f'{head}{kind_line}\r\n{{"url":"{URL}"}}'.encode())
    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_what_curl_sends_by_default_is_refused_with_the_way_out(api: Api) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    options: Any = {"data": b'{"url": "http://example.com/"}', "headers": headers}
    problem = await api.refusal(415, "unsupported_media_type", "POST", "/tasks", **options)
    assert "-H 'Content-Type: application/json'" in problem["detail"]


async def test_a_body_as_large_as_allowed_is_taken_and_a_larger_one_is_not(api: Api) -> None:
    assert (await api.submit(method="POST", body="x" * 256 * 1024)).status == 202
    problem = await api.refusal(
        422, "task_invalid", "POST", "/tasks", json={"url": URL, "body": "x" * (256 * 1024 + 1)}
    )
    assert problem["errors"][0]["field"] == "body"
    await api.refusal(413, "body_too_large", "POST", "/tasks", json={"url": URL, "body": "x" * 600 * 1024})


async def test_a_body_too_large_is_refused_however_its_length_is_told(api: Api) -> None:
    async def chunks() -> Any:
        for _ in range(60):
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    await api.refusal(413, "body_too_large", "POST", "/tasks", data=chunks(), headers=headers)


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(api: Api) -> None:
    bomb = zlib.compress(b" " * 50_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
    await api.refusal(413, "body_too_large", "POST", "/tasks", data=bomb, headers=headers)


async def test_secrets_in_headers_are_not_shown(api: Api) -> None:
    secrets = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "cookie": "s=s3cret"}
    answer = await api.submit(headers={**secrets, "Accept": "text/html"})
    read = await api.get(answer.headers["Location"])
    listed = await api.get("/tasks")
    for shown in (answer, read, listed):
        assert b"s3cret" not in shown.content
        assert b"text/html" in shown.content


def response(content: bytes, content_type: str | None, *, truncated: bool = False) -> Response:
    return Response(
        status=200,
        content_type=content_type,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        body=content,
        truncated=truncated,
        url=URL,
        headers=(("X-A", "1"), ("X-A", "2")),
    )


async def test_a_finished_task_shows_attempts_and_result(api: Api) -> None:
    task_id = (await api.submit()).json["id"]
    await api.finish(task_id, Status.SUCCEEDED, response(b'{"a": 1}', "application/json"))
    task = (await api.get(f"/api/v1/tasks/{task_id}")).json
    assert (task["status"], task["attempt"], task["error"], task["due_at"]) == ("succeeded", 1, None, None)
    (attempt,) = task["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["status_code"]) == (1, "ok", 200)
    result = task["result"]
    assert (result["status_code"], result["size"], result["body"]) == (200, 8, '{"a": 1}')
    assert result["body_url"] == f"/api/v1/tasks/{task_id}/body"
    assert result["timings"].keys() == {"dns", "connect", "tls", "first_byte", "total"}
    assert len(result["headers"]) == 2


@pytest.mark.parametrize(
    ("content", "content_type", "served_as"),
    [
        (b"<script>alert(1)</script>", "text/html", "text/plain; charset=utf-8"),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", "text/plain; charset=utf-8"),
        ("caf\u00e9".encode("latin-1"), "text/plain", "application/octet-stream"),
        (b"\x89PNG", "image/png", "application/octet-stream"),
        (b"<svg/>", "image/svg+xml", "text/plain; charset=utf-8"),
        (b"x", None, "application/octet-stream"),
        (b"", "text/plain", "text/plain; charset=utf-8"),
    ],
)
async def test_a_fetched_body_is_safe_to_open(
    api: Api, content: bytes, content_type: str | None, served_as: str
) -> None:
    task_id = (await api.submit()).json["id"]
    await api.finish(task_id, Status.SUCCEEDED, response(content, content_type))
    answer = await api.get(f"/tasks/{task_id}/body")
    assert (answer.status, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == served_as
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Taskrunner-Body-Truncated"] == "false"


async def test_a_body_cut_at_the_cap_says_so_and_is_text_still(api: Api) -> None:
    task_id = (await api.submit()).json["id"]
    cut = "na\u00efve".encode()[:3]
    await api.finish(task_id, Status.SUCCEEDED, response(cut, "text/plain", truncated=True))
    answer = await api.get(f"/tasks/{task_id}/body")
    assert answer.headers["Taskrunner-Body-Truncated"] == "true"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    result = (await api.get(f"/tasks/{task_id}")).json["result"]
    assert (result["truncated"], result["body"]) == (True, "na")


async def test_a_large_body_is_behind_its_url_only(api: Api) -> None:
    task_id = (await api.submit()).json["id"]
    await api.finish(task_id, Status.SUCCEEDED, response(b"x" * 100_000, "text/plain"))
    assert (await api.get(f"/tasks/{task_id}")).json["result"]["body"] is None
    assert len((await api.get(f"/tasks/{task_id}/body")).content) == 100_000


async def test_there_is_no_body_before_the_end(api: Api) -> None:
    task_id = (await api.submit()).json["id"]
    await api.refusal(404, "body_unknown", "GET", f"/tasks/{task_id}/body")


@pytest.mark.parametrize("task_id", ["nobody", "%00", "a%2Fb", "..%2f..", "x" * 200, "caf%C3%A9"])
async def test_an_unknown_or_impossible_id_is_404(api: Api, task_id: str) -> None:
    for path in (f"/tasks/{task_id}", f"/tasks/{task_id}/body", f"/dead-letters/{task_id}"):
        answer = await api.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


async def test_tasks_are_listed_newest_first_page_by_page(api: Api) -> None:
    ids = [(await api.submit()).json["id"] for _ in range(5)]
    found: list[str] = []
    path = "/tasks?limit=2&status=queued"
    for _ in range(5):
        page = (await api.get(path)).json
        found += [task["id"] for task in page["tasks"]]
        if page["next_cursor"] is None:
            break
        path = f"/tasks?limit=2&status=queued&cursor={page['next_cursor']}"
    assert found == ids[::-1]
    assert (await api.get("/tasks?status=failed")).json == {"tasks": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", {"limit"}),
        ("limit=201", {"limit"}),
        ("limit=1e2", {"limit"}),
        ("limit=-1&status=done", {"limit", "status"}),
        ("cursor=%00", {"cursor"}),
        ("cursor=" + "x" * 5000, {"cursor"}),
        ("state=failed", {"state"}),
        ("limit=1&limit=2", {"limit"}),
        ("limit=%D9%A3", {"limit"}),
    ],
)
async def test_bad_queries_are_told_at_once(api: Api, query: str, fields: set[str]) -> None:
    problem = await api.refusal(400, "bad_query", "GET", f"/tasks?{query}")
    assert {error["field"] for error in problem["errors"]} == fields


async def test_head_has_the_headers_of_get_and_no_body(api: Api) -> None:
    location = (await api.submit()).headers["Location"]
    got, headed = await api.get(location), await api.ask("HEAD", location)
    assert (headed.status, headed.content) == (200, b"")
    assert headed.headers["Content-Length"] == str(len(got.content))
    assert (await api.ask("HEAD", "/tasks/nobody")).status == 404


async def test_two_thousand_posts_from_fifty_connections_make_two_thousand_tasks(api: Api) -> None:
    ids: set[str] = set()

    async def client(count: int) -> None:
        for _ in range(count):
            ids.add((await api.submit()).json["id"])

    await asyncio.gather(*(client(40) for _ in range(50)))
    assert len(ids) == 2000
    assert sum((await api.store.counts()).values()) == 2000


async def test_a_deadline_is_shown(api: Api) -> None:
    """In UTC, beside the time until which a finished task is kept."""
    answer = await api.submit(expires_at="2046-01-01T02:00:00+02:00")
    assert (answer.json["expires_at"], answer.json["kept_until"]) == ("2046-01-01T00:00:00Z", None)
    assert (await api.get(f"/tasks/{answer.json['id']}")).json["expires_at"] == "2046-01-01T00:00:00Z"
    await api.refusal(422, "task_invalid", "POST", "/tasks", json={"url": "http://a/", "expires_at": "soon"})


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"url":"http://a/","url":"http://b/"}', "url"),
        ('{"url":"http://a/","headers":{"X":"1","X":"2"},"body":[]}', "headers.X"),
        (r'{"url":"http://a/","lab\u0065ls":{},"labels":{}}', "labels"),
    ],
)
async def test_a_member_that_is_given_twice_is_named(api: Api, raw: str, field: str) -> None:
    """Nobody can say which of the two is meant (RFC 8259 section 4)."""
    headers = {"Content-Type": "application/json"}
    problem = await api.refusal(400, "bad_json", "POST", "/tasks", data=raw, headers=headers)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert field in problem["detail"]


async def test_a_byte_order_mark_is_ignored(api: Api) -> None:
    """RFC 8259 8.1 allows it."""
    raw = b'\xef\xbb\xbf{"url":"http://example.com/"}'
    answer = await api.ask("POST", "/tasks", data=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 202
