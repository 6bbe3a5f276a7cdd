"""Request ids: one in every answer, the client's own where it can be used."""

import json
import uuid
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.process_events import RequestFailed
from taskrunner.monitor.event_log import LINES
from tests.flow.api.harness import HEAD, Api, hasty
from tests.flow.api.test_access import bearer

NAME = "X-Request-Id"
# Every way to an answer: handlers, the router, the guard, the body, Expect, OPTIONS, a redirect.
ANSWERS = [
    ("GET", "/livez", {}, 200),
    ("HEAD", "/livez", {}, 200),
    ("GET", "/", {"Accept": "text/html"}, 200),
    ("GET", "/docs", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/tasks/never-was", {}, 404),
    ("DELETE", "/tasks/never-was", {}, 404),
    ("GET", "/nothing", {}, 404),
    ("PUT", "/tasks", {}, 405),
    ("OPTIONS", "/tasks", {}, 204),
    ("GET", "/tasks/", {}, 308),
    ("GET", "/tasks?nope=1", {}, 400),
    ("GET", "/livez", {"Host": "evil.example"}, 200),
    ("GET", "/tasks", {"Host": "evil.example"}, 421),
    ("POST", "/tasks", {"Content-Type": "text/plain"}, 415),
    ("POST", "/tasks", {"Expect": "tea"}, 417),
    ("POST", "/tasks", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("GET", "/tasks", {"Authorization": "Bearer tr_x"}, 401),
    ("QUERY", "/tasks", {}, 405),
    ("PROPFIND", "/tasks", {}, 501),
]


@pytest.mark.parametrize(("method", "path", "headers", "status"), ANSWERS)
@pytest.mark.parametrize("given", [None, "r-7"])
async def test_every_answer_has_it(
    api: Api, method: str, path: str, headers: dict[str, str], status: int, given: str | None
) -> None:
    """In the header, and in a problem."""
    own = {} if given is None else {NAME: given}
    answer = await api.ask(method, path, headers={**headers, **own}, allow_redirects=False)
    assert answer.status == status
    (told,) = answer.headers.getall(NAME)
    assert told == given or (given is None and uuid.UUID(told).version == 7)
    if "problem" in answer.headers.get("Content-Type", ""):
        assert answer.json["request_id"] == told


@pytest.mark.parametrize("given", ["!", "~" * 128, "0190-é".encode("ascii", "ignore").decode(), "a,b;c=1"])
async def test_an_id_of_visible_characters_is_taken(api: Api, given: str) -> None:
    assert (await api.ask("GET", "/livez", headers={NAME: given})).headers[NAME] == given


@pytest.mark.parametrize(
    "given", [b"", b"a b", b"~" * 129, b"\xc3\xa9", b"a\tb", b"a\r\nX-Request-Id: b", b"\xff"]
)
async def test_any_other_id_is_replaced(api: Api, given: bytes) -> None:
    """Also two of them: nobody knows which one the client means."""
    sent = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: %b\r\n\r\n"
    head = (await api.talk(sent % given)).partition(b"\r\n\r\n")[0].decode()
    (told,) = [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith(NAME)]
    assert uuid.UUID(told).version == 7


@hasty
@pytest.mark.parametrize(
    "sent", [b"nonsense\r\n\r\n", b"FETCH / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", HEAD]
)
async def test_an_answer_to_no_request_has_one_too(api: Api, sent: bytes) -> None:
    """What cannot be parsed, and a head that never ends."""
    head, _, body = (await api.talk(sent)).partition(b"\r\n\r\n")
    assert f"{NAME}: {json.loads(body)['request_id']}".encode() in head


async def test_the_log_and_the_audit_have_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    made = await api.ask("POST", "/pause?all=true", headers=boss)
    (entry,) = (await api.ask("GET", "/audit?action=pause", headers=boss)).json["entries"]
    assert entry["request_id"] == made.headers[NAME]

    async def broken(*_: Any) -> None:
        raise RuntimeError("inner text")

    monkeypatch.setattr(api.store, "get", broken)
    answer = await api.ask("GET", "/tasks/x", headers=boss)
    (event,) = [each for each in api.events if isinstance(each, RequestFailed)]
    _, fields = LINES[RequestFailed]
    assert fields(event)["request_id"] == answer.headers[NAME] == answer.json["request_id"]
