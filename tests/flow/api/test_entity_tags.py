"""Entity tags: 304 for what a client has, 412 for a change of what it has not seen."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef, SnoozeRequest
from tests.contract.stores.harness import NOW
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN

CRON: dict[str, Any] = {"cron": "0 4 * * *", "task": {"url": "http://example.com/"}}


READ = (
    "/tasks/a",
    "/tasks",
    "/tasks?fields=id",
    "/tasks/a/attempts",
    "/schedules/a",
    "/schedules",
    "/hosts",
    "/hosts/h.test",
    "/hosts/%2A.config.test/limit",
    "/keys",
    "/dead-letters",
    "/pauses",
    "/docs",
    "/api/v1/tasks/a",
)


@pytest.mark.parametrize("path", READ)
async def test_what_the_client_has_is_not_sent_again(api: Api, path: str) -> None:
    """By the weak comparison, in a list, and with `*`."""
    await api.submit(id="a")
    await api.ask("PUT", "/schedules/a", json=CRON)
    tag = (await api.get(path)).headers["ETag"]
    assert tag.startswith('"')
    for given in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b",,{tag}', "*"):
        answer = await api.ask("GET", path, headers={"If-None-Match": given})
        assert (answer.status, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    for given in ('"x"', '""', 'W/"x"', f'{tag[:-1]}-gzip"', tag.upper()):
        assert (await api.ask("GET", path, headers={"If-None-Match": given})).status == 200
        await api.refusal(412, "precondition_failed", "GET", path, headers={"If-Match": given})
    for given in ("x", '"x', '"x" "y"', ""):
        await api.refusal(400, "bad_header", "GET", path, headers={"If-None-Match": given})


async def test_a_change_gives_another_tag(api: Api) -> None:
    await api.submit(id="a")
    before = (await api.get("/tasks/a")).headers["ETag"]
    await api.ask("POST", "/tasks/a/cancel")
    answer = await api.ask("GET", "/tasks/a", headers={"If-None-Match": before})
    assert (answer.status, answer.headers["ETag"] == before) == (200, False)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/schedules/a", None),
        ("PUT", "/schedules/a", {**CRON, "cron": "1 1 * * *"}),
        ("PATCH", "/schedules/a", {"cron": "1 1 * * *"}),
        ("POST", "/schedules/a/pause", None),
        ("POST", "/schedules/a/resume", None),
    ],
)
async def test_a_change_is_of_what_the_client_has_seen(api: Api, method: str, path: str, body: Any) -> None:
    made = await api.ask("PUT", "/schedules/a", json=CRON)
    tag = made.headers["ETag"]
    for given in ('"x"', f"W/{tag}"):
        await api.refusal(412, "precondition_failed", method, path, json=body, headers={"If-Match": given})
    assert (await api.get("/schedules/a")).headers["ETag"] == tag
    for given in (f'"x", {tag[:-1]}-gzip", {tag}', "*"):
        answer = await api.ask(method, path, json=body, headers={"If-Match": given})
        assert answer.status in {200, 204}
        if method == "DELETE":
            return
    await api.refusal(412, "precondition_failed", "PUT", "/schedules/b", json=CRON, headers={"If-Match": "*"})


LIMIT = "/hosts/h.test/limit"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("coding", ["", "-gzip", "-zstd"])
async def test_a_limit_is_changed_as_it_was_seen(api: Api, method: str, coding: str) -> None:
    """A tag of any coding names the state; that of an earlier state, or a weak one, does not."""
    body = None if method == "DELETE" else {"rate": "9/s"}
    earlier = (await api.ask("PUT", LIMIT, json={"concurrency": 1})).headers["ETag"]
    tag = (await api.ask("PUT", LIMIT, json={"concurrency": 2})).headers["ETag"]
    assert (await api.get(LIMIT)).headers["ETag"] == tag
    for given in (earlier, f"W/{tag}", '"x"', '""'):
        await api.refusal(412, "precondition_failed", method, LIMIT, json=body, headers={"If-Match": given})
    for given in ("x", '"x" "y"', "", "*, *"):
        await api.refusal(400, "bad_header", method, LIMIT, json=body, headers={"If-Match": given})
    dated = {"If-Unmodified-Since": "Mon, 30 Nov 2026 10:00:00 GMT"}
    await api.refusal(412, "precondition_failed", method, LIMIT, json=body, headers=dated)
    assert (await api.get(LIMIT)).headers["ETag"] == tag
    given = f'{tag[:-1]}{coding}"'
    assert (await api.ask(method, LIMIT, json=body, headers={"If-Match": given})).status in {200, 204}


@pytest.mark.parametrize(("path", "body"), [(LIMIT, {"rate": "9/s"}), ("/schedules/a", CRON)])
async def test_something_new_is_made_once(api: Api, path: str, body: Any) -> None:
    """RFC 9110 13.1.2: of many that make it, one does; the others change nothing."""
    only_new = {"If-None-Match": "*"}
    made = await asyncio.gather(*(api.ask("PUT", path, json=body, headers=only_new) for _ in range(9)))
    assert sorted(answer.status for answer in made)[1:] == [412] * 8
    tag = (await api.get(path)).headers["ETag"]
    await api.refusal(
        412, "precondition_failed", "PUT", path, json=body, headers={"If-None-Match": f"W/{tag}"}
    )
    answer = await api.ask("PUT", path, json=body, headers={"If-None-Match": '"x"', "If-Match": tag})
    assert answer.status == 200


async def test_of_many_changes_of_one_limit_one_is_made(api: Api) -> None:
    """Also where one of them removes it."""
    for _ in range(5):
        tag = (await api.ask("PUT", LIMIT, json={"concurrency": 1})).headers["ETag"]
        given = {"If-Match": tag}
        changes = [api.ask("PUT", LIMIT, json={"concurrency": 2 + each}, headers=given) for each in range(6)]
        changes += [
            api.ask("DELETE", LIMIT, headers=given),
            api.ask("PATCH", LIMIT, json={"burst": 7, "rate": 3}, headers=given),
        ]
        answers = await asyncio.gather(*changes)
        assert len([answer for answer in answers if answer.status in {200, 204}]) == 1
        assert {answer.status for answer in answers} <= {200, 204, 404, 412}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/keys/web", {"rate": "5/s"}),
        ("POST", "/keys/web/rotate", {}),
        ("POST", "/keys/web/revoke", None),
    ],
)
async def test_a_key_is_changed_as_it_was_seen(api: Api, method: str, path: str, body: Any) -> None:
    """Its use is a change, too: the answer shows it."""
    await api.make_key("web", Scope.READ)
    boss = bearer(await api.make_key("boss", Scope.ADMIN))
    tag = (await api.ask("GET", "/keys/web", headers=boss)).headers["ETag"]
    used = {"web": NOW}
    for given in ('"x"', f"W/{tag}"):
        await api.refusal(
            412, "precondition_failed", method, path, json=body, headers={**boss, "If-Match": given}
        )
    await api.store.note_api_key_uses(used)
    await api.refusal(412, "precondition_failed", method, path, json=body, headers={**boss, "If-Match": tag})
    read = await api.ask("GET", "/keys/web", headers=boss)
    assert read.headers["ETag"] != tag
    as_seen = {**boss, "If-Match": read.headers["ETag"]}
    changed = await api.ask(method, path, json=body, headers=as_seen)
    assert changed.status == 200
    await api.refusal(412, "precondition_failed", method, path, json=body, headers=as_seen)
    if "ETag" in changed.headers:
        again = await api.ask("GET", "/keys/web", headers=boss)
        assert (again.headers["ETag"], again.content) == (changed.headers["ETag"], changed.content)
    await api.refusal(404, "api_key_unknown", "GET", "/keys/nobody", headers=boss)
    await api.refusal(404, "api_key_unknown", "GET", "/keys/No.Key", headers=boss)


CHANGES = (("POST", "/tasks/a/cancel", 200), ("DELETE", "/tasks/a", 204))


@pytest.mark.parametrize(("method", "path", "status"), CHANGES)
async def test_a_task_is_changed_as_it_was_seen(api: Api, method: str, path: str, status: int) -> None:
    """Neither by a tag of an earlier state, nor by that of a part of it."""
    await api.submit(id="a")
    earlier = (await api.get("/tasks/a")).headers["ETag"]
    part = (await api.get("/tasks/a?view=basic")).headers["ETag"]
    await api.store.snooze([SnoozeRequest(id="a", attempt=1, due=NOW)], now=api.clock.now())
    tag = (await api.get("/tasks/a")).headers["ETag"]
    for given in (earlier, part, f"W/{tag}", '"x"'):
        await api.refusal(412, "precondition_failed", method, path, headers={"If-Match": given})
    for given in ("*", tag):
        await api.refusal(412, "precondition_failed", method, path, headers={"If-None-Match": given})
    assert (await api.get("/tasks/a")).headers["ETag"] == tag
    answer = await api.ask(method, path, headers={"If-Match": f'"x", {tag}'})
    assert answer.status == status
    if status == 200:
        # The same tag names the cancelled task no more, and `*` any.
        await api.refusal(412, "precondition_failed", method, path, headers={"If-Match": tag})
        assert (await api.ask(method, path, headers={"If-Match": "*"})).status == 200
    else:
        await api.refusal(404, "task_unknown", method, path, headers={"If-Match": tag})


async def test_a_task_with_a_result_is_deleted_as_it_was_seen(api: Api) -> None:
    """Its tag is that of the answer with the text of its body; another text is another tag."""
    for task_id, body in (("a", b"one"), ("b", b"two")):
        await api.submit(id=task_id)
        result = Response(status=200, body=body, size_bytes=3, content_type="text/plain")
        await api.finish(task_id, Status.SUCCEEDED, result)
    tags = [(await api.get(f"/tasks/{each}")).headers["ETag"] for each in "ab"]
    await api.refusal(412, "precondition_failed", "DELETE", "/tasks/a", headers={"If-Match": tags[1]})
    await api.refusal(409, "state_conflict", "POST", "/tasks/a/cancel", headers={"If-Match": tags[1]})
    assert (await api.ask("DELETE", "/tasks/a", headers={"If-Match": tags[0]})).status == 204


@pytest.mark.parametrize(("method", "path", "status"), CHANGES)
async def test_a_running_task_is_changed_as_it_was_seen(
    api: Api, method: str, path: str, status: int
) -> None:
    await api.submit(id="a")
    now = api.clock.now()
    attempt = AttemptRef(id="a", attempt=1)
    await api.store.claim([attempt], now=now, lease_until=now + timedelta(seconds=30), consumer="c")
    tag = (await api.get("/tasks/a")).headers["ETag"]
    await api.store.renew([attempt], lease_until=now + timedelta(seconds=60))
    await api.refusal(412, "precondition_failed", method, path, headers={"If-Match": tag})
    tag = (await api.get("/tasks/a")).headers["ETag"]
    assert (await api.ask(method, path, headers={"If-Match": tag})).status == status


async def test_a_task_of_others_has_no_condition(api: Api) -> None:
    """404 as for one that never was, whatever the tag."""
    keys = {name: bearer(await api.make_key(name, *OWN)) for name in ("mine", "theirs")}
    await api.ask("POST", "/tasks", json={"url": "http://a.test/", "id": "a"}, headers=keys["theirs"])
    tag = (await api.ask("GET", "/tasks/a", headers=keys["theirs"])).headers["ETag"]
    for method, path, _ in CHANGES:
        for given in (tag, "*", '"x"'):
            await api.refusal(404, "task_unknown", method, path, headers={**keys["mine"], "If-Match": given})
    answer = await api.ask("DELETE", "/tasks/a", headers={**keys["theirs"], "If-Match": tag})
    assert answer.status == 204


async def test_what_is_not_there_is_told_before_a_condition(api: Api) -> None:
    """RFC 9110 13.2.1: a condition is for what would be a success without it."""
    given = {"If-Match": '"x"'}
    await api.refusal(404, "host_limit_unknown", "PATCH", LIMIT, json={"rate": 1}, headers=given)
    await api.refusal(404, "host_limit_unknown", "DELETE", LIMIT, headers=given)
    await api.refusal(404, "host_limit_unknown", "GET", LIMIT, headers={"If-None-Match": "*"})
    await api.refusal(404, "schedule_unknown", "DELETE", "/schedules/a", headers=given)
    await api.refusal(404, "task_unknown", "GET", "/tasks/a", headers=given)


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "If-Unmodified-Since"])
@pytest.mark.parametrize("given", ["*", '"x"'])
async def test_other_changes_refuse_a_condition(api: Api, name: str, given: str) -> None:
    """They could not check it in one step with the change, and ignoring it would lose an update."""
    await api.submit(id="a", delay=60)
    for method, path in (
        ("POST", "/operations"),
        ("POST", "/dead-letters/a/requeue"),
        ("POST", "/pause?all=true"),
        ("POST", "/hosts/h.test/reset"),
    ):
        problem = await api.refusal(412, "precondition_failed", method, path, headers={name: given})
        assert problem["detail"].startswith(f"{name}: ")
    assert (await api.get("/tasks/a")).json["status"] == "scheduled"


async def test_no_update_is_lost(api: Api) -> None:
    """Of many changes of one version, one is made; so a counter that all raise counts all of them."""
    await api.ask("PUT", "/schedules/a", json={**CRON, "jitter": 0})

    async def raise_by_one() -> None:
        while True:
            read = await api.get("/schedules/a")
            patch = {"jitter": read.json["jitter"] + 1}
            headers = {"If-Match": read.headers["ETag"]}
            answer = await api.ask("PATCH", "/schedules/a", json=patch, headers=headers)
            if answer.status == 200:
                return
            assert answer.status in {409, 412}

    await asyncio.gather(*(raise_by_one() for _ in range(12)))
    assert (await api.get("/schedules/a")).json["jitter"] == 12
