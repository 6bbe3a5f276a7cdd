"""`Prefer: wait` (RFC 7240): the result in the answer, if the task ends in time."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.api.http.preferences import preferences, wait_of
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.tools.waiting import eventually

LONG = {"Prefer": "wait=50"}
RESULT = Response(status=200, body=b"done", size_bytes=4, content_type="text/plain")


def asked(api: Api, method: str, path: str, **options: Any) -> "asyncio.Task[Answer]":
    return asyncio.create_task(api.ask(method, path, **options))


def waiting(api: Api) -> int:
    return api.live.waits


async def submit_waiting(api: Api, headers: dict[str, str] = LONG, **task: Any) -> "asyncio.Task[Answer]":
    """A submit that waits, once it does."""
    before = waiting(api)
    answer = asked(api, "POST", "/tasks", json={"url": "http://example.com/", **task}, headers=headers)
    await eventually(lambda: waiting(api) > before or answer.done())
    return answer


async def test_a_submit_is_answered_with_the_result(api: Api) -> None:
    """200, the fetched body included."""
    answering = await submit_waiting(api, id="a")
    await api.finish("a", Status.SUCCEEDED, RESULT)
    answer = await answering
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=50")
    assert (answer.json["status"], answer.json["result"]["body"]) == ("succeeded", "done")
    assert answer.headers["Location"] == "/tasks/a"
    assert waiting(api) == 0


async def test_a_read_is_answered_with_the_result(api: Api) -> None:
    await api.submit(id="a")
    answering = asked(api, "GET", "/tasks/a", headers=LONG)
    await eventually(lambda: waiting(api) == 1)
    await api.finish("a", Status.FAILED)
    answer = await answering
    assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=50")
    assert answer.json == (await api.get("/tasks/a")).json
    assert answer.headers["ETag"] == (await api.get("/tasks/a")).headers["ETag"]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_task_that_takes_longer_is_answered_as_it_is(api: Api, method: str) -> None:
    """202 or 200 after the wait, which is told."""
    await api.submit(id="a")
    body = {"json": {"url": "http://example.com/", "id": "a"}} if method == "POST" else {}
    path = "/tasks" if method == "POST" else "/tasks/a"
    answer = await api.ask(method, path, headers={"Prefer": "wait=1"}, **body)
    assert (answer.status, answer.headers["Preference-Applied"]) == (202 if body else 200, "wait=1")
    assert answer.json["status"] in {"scheduled", "queued"}


async def test_what_has_ended_is_answered_at_once(api: Api) -> None:
    await api.submit(id="a")
    await api.finish("a", Status.SUCCEEDED, RESULT)
    answer = await api.ask("GET", "/tasks/a", headers=LONG)
    assert (answer.status, answer.json["status"]) == (200, "succeeded")


async def test_a_repeated_submit_waits_for_the_same_task(api: Api) -> None:
    key = {**LONG, "Idempotency-Key": "k"}
    first = await submit_waiting(api, key, id="a")
    second = await submit_waiting(api, key, id="a")
    await api.finish("a", Status.SUCCEEDED, RESULT)
    answers = [await first, await second]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]


@pytest.mark.parametrize("end", ["cancel", "delete"])
async def test_every_end_ends_the_wait(api: Api, end: str) -> None:
    """A cancelled task is a result; a deleted one is none."""
    answering = await submit_waiting(api, id="a")
    if end == "cancel":
        await api.ask("POST", "/tasks/a/cancel")
    else:
        await api.ask("DELETE", "/tasks/a")
    answer = await answering
    assert answer.status == (200 if end == "cancel" else 202)
    assert end == "delete" or answer.json["status"] == "cancelled"


async def test_a_retry_does_not_end_the_wait(api: Api) -> None:
    """Only the end of the task does."""
    answering = await submit_waiting(api, id="a")
    await api.finish("a", Status.RETRYING)
    await api.finish("a", Status.SUCCEEDED, RESULT)
    answer = await answering
    assert (answer.status, answer.json["attempt"]) == (200, 2)


@pytest.mark.parametrize(
    "prefer", ["wait=0", "wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "respond-async", "wait=2=3", ""]
)
async def test_what_is_no_wait_is_ignored(api: Api, prefer: str) -> None:
    """Answered at once, and no wait is said to be applied."""
    answer = await api.ask("POST", "/tasks", json={"url": "http://example.com/"}, headers={"Prefer": prefer})
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)


@pytest.mark.parametrize("api_options", [{"max_wait": 1.0}])
async def test_a_wait_is_no_longer_than_the_setting(api: Api) -> None:
    """The answer tells the wait that was applied."""
    answer = await (await submit_waiting(api))
    assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=1")


@pytest.mark.parametrize("api_options", [{"max_waits": 1}])
async def test_there_are_only_so_many_waits(api: Api) -> None:
    """One more is answered at once; a place that is free again is taken."""
    first = await submit_waiting(api, id="a")
    second = await submit_waiting(api, id="b")
    answer = await second
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)
    await api.finish("a", Status.SUCCEEDED, RESULT)
    assert (await first).status == 200
    third = await submit_waiting(api, id="c")
    await api.finish("c", Status.SUCCEEDED, RESULT)
    assert (await third).status == 200


@pytest.mark.parametrize("api_options", [{"max_waits_per_key": 1}])
async def test_a_key_has_only_so_many_waits(api: Api) -> None:
    """One more is answered at once; another key has its own, and a place that is free again is taken."""
    one, two = [bearer(await api.make_key(name, Scope.SUBMIT, Scope.READ)) for name in ("one", "two")]
    first = await submit_waiting(api, {**one, **LONG}, id="a")
    answer = await (await submit_waiting(api, {**one, **LONG}, id="b"))
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)
    other = await submit_waiting(api, {**two, **LONG}, id="c")
    assert waiting(api) == 2
    await api.finish("one~a", Status.SUCCEEDED, RESULT)
    assert (await first).status == 200
    again = await submit_waiting(api, {**one, **LONG}, id="d")
    for task_id, answering in (("two~c", other), ("one~d", again)):
        await api.finish(task_id, Status.SUCCEEDED, RESULT)
        assert (await answering).status == 200


async def test_a_client_that_goes_away_frees_its_place(api: Api) -> None:
    answering = await submit_waiting(api)
    answering.cancel()
    await eventually(lambda: waiting(api) == 0)


async def test_a_stop_ends_waits_with_an_answer(api: Api) -> None:
    """At once, as if the time were up."""
    answering = await submit_waiting(api)
    reading = asked(api, "GET", "/tasks/" + (await api.submit(id="b")).json["id"], headers=LONG)
    await eventually(lambda: waiting(api) == 2)
    await api.server.stop()
    assert [(await answering).status, (await reading).status] == [202, 200]


async def test_a_key_that_may_not_read_does_not_get_the_result(api: Api) -> None:
    """It is answered as without the preference."""
    key = bearer(await api.make_key("writer", Scope.SUBMIT))
    answer = await api.ask("POST", "/tasks", json={"url": "http://example.com/"}, headers={**key, **LONG})
    assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)


async def test_a_revoked_key_does_not_get_the_result(api: Api) -> None:
    """Its wait ends when the revocation is known."""
    await api.submit(id="a")
    key = bearer(await api.make_key("reader", Scope.READ, Scope.READ_ALL))
    answering = asked(api, "GET", "/tasks/a", headers={**key, **LONG})
    await eventually(lambda: waiting(api) == 1)
    await api.revoke_key("reader")
    answer = await answering
    assert (answer.status, answer.json["code"]) == (401, "key_unknown")


@pytest.mark.parametrize("known_by", [None, "id", "dedup key"])
async def test_a_key_revoked_during_a_submit_does_not_get_the_result(api: Api, known_by: str | None) -> None:
    """The task was accepted, and that is all the answer tells."""
    key = bearer(await api.make_key("web", Scope.SUBMIT, Scope.READ, Scope.READ_ALL))
    task: dict[str, Any] = {"id": "a", "dedup": {"key": "k"}}
    if known_by is not None:
        body = {"url": "http://example.com/", **task}
        assert (await api.ask("POST", "/tasks", json=body, headers=key)).status == 202
    if known_by == "dedup key":
        del task["id"]
    answering = await submit_waiting(api, {**key, **LONG}, **task)
    await api.revoke_key("web")
    await api.finish("a", Status.SUCCEEDED, RESULT)
    answer = await answering
    assert (answer.status, answer.headers["Preference-Applied"]) == (
        200 if known_by == "dedup key" else 202,
        "wait=50",
    )
    assert (answer.json["id"], answer.json.get("result")) == ("a", None)
    assert b"done" not in answer.content


async def test_waiting_reads_the_store_once_for_all(api: Api) -> None:
    """However many wait, one read of the log serves them."""
    answers = [await submit_waiting(api, id=f"t{number}") for number in range(20)]
    reads: list[int] = []
    read_changes, get = api.store.changes, api.store.get

    async def counted(*args: Any, **options: Any) -> Any:
        reads.append(1)
        return await read_changes(*args, **options)

    async def refused(task_id: str) -> Any:
        raise AssertionError(f"a waiter reads {task_id} by itself")

    api.store.changes = counted  # type: ignore[method-assign]  # to count the calls
    api.store.get = refused  # type: ignore[method-assign]  # to fail on one
    await eventually(lambda: len(reads) >= 3)
    api.store.changes, api.store.get = read_changes, get  # type: ignore[method-assign]  # as before
    for number in range(20):
        await api.finish(f"t{number}", Status.SUCCEEDED, RESULT)
    assert {(await answer).status for answer in answers} == {200}


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (["wait=10"], 10),
        (["Wait = 10"], 10),
        (['wait="10"'], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (["wait=10, wait=20"], 10),
        (["wait=" + "9" * 5000], 9_999_999_999),
        (["wait=" + "0" * 5000 + "7"], 7),
        (["wait=000"], 0),
        (["wait=10", "wait=20"], 10),
        (["handling=lenient; strict=no;; a, wait=10"], 10),
        (['foo="a,wait=5", wait=7'], 7),
        (['foo="a\\",wait=5", wait=7'], 7),
        ([",, wait=3 ,"], 3),
        (['wait=1;x="y"'], 1),
        (["broken=, , =x", "wait=4"], 4),
        (["wait=5 wait=6"], None),
        (["wait=\u0661"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_grammar_of_preferences(fields: list[str], seconds: int | None) -> None:
    """RFC 7240 section 2, and RFC 9110 5.6.1 for lists."""
    assert wait_of(fields) == seconds


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-!#$%&'*+.^_`|~09", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.tuples(TOKENS, VALUES, st.sampled_from(["", " ", "\t"])), max_size=5))
def test_what_is_written_is_read(pairs: list[tuple[str, str, str]]) -> None:
    """Quoted values, any blanks, in one field or several; the first of a name counts."""
    written = [f"{name}{blank}={blank}{quoted(value)}{blank};p" for name, value, blank in pairs]
    expected: dict[str, str] = {}
    for name, value, _ in pairs:
        expected.setdefault(name.lower(), value)
    assert preferences([" , ".join(written)]) == expected
    assert preferences(written) == expected


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    """With seconds or with nothing."""
    assert wait_of([text]) is None or wait_of([text]) >= 0  # type: ignore[operator]  # not None here
