"""What an answer could tell by the way: refusals, cursors, counts, attempts, follow-ups."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Validators
from taskrunner.stores.base import AttemptRef
from tests.contract.stores.harness import entry, make_task, message
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import CRON, keys, submit, theirs

__all__ = ["keys"]  # a fixture
Keys = dict[str, dict[str, str]]


async def mine(api: Api, keys: Keys, status: Status | None = None, **task: Any) -> str:
    """A new task of the key, brought to its end if there is a status."""
    task_id = str((await submit(api, keys["mine"], **task)).json["id"])
    if status is not None:
        await api.finish(f"mine~{task_id}", status, Response(status=200, body=b"x", size_bytes=1))
    return task_id


async def refusals(api: Api, key: dict[str, str]) -> list[tuple[Answer, int, str]]:
    """Every refusal that names a task, with the status that it is to have and the id that it names."""
    for task_id in ("done", "gone", "live"):
        await submit(api, key, id=task_id, delay=60 if task_id == "live" else None)
    stored = "mine~done" if await api.store.get("mine~done") else "done"
    await api.finish(stored, Status.SUCCEEDED)
    await api.ask("DELETE", "/tasks/gone", headers=key)
    same = {"Idempotency-Key": "k"}
    first = (await submit(api, key, same, method="POST")).json["id"]

    async def ask(method: str, path: str, **options: Any) -> Answer:
        return await api.ask(method, path, headers=key, **options)

    return [
        (await submit(api, key, same, method="PUT"), 422, first),
        (await submit(api, key, id="live", method="PUT"), 409, "live"),
        (await submit(api, key, id="gone"), 409, "gone"),
        (await ask("POST", "/tasks/done/cancel"), 409, "done"),
        (await ask("POST", "/tasks/never/cancel"), 404, "never"),
        (await ask("GET", "/tasks/never"), 404, "never"),
        (await ask("DELETE", "/tasks/never"), 404, "never"),
        (await ask("GET", "/tasks/live/body"), 404, "live"),
        (await ask("GET", "/tasks/live/attempts/7"), 404, "live"),
        (await ask("GET", "/tasks/never/attempts"), 404, "never"),
        (await ask("GET", "/dead-letters/never"), 404, "never"),
        (await ask("DELETE", "/dead-letters/never"), 404, "never"),
        (await ask("POST", "/dead-letters/never/requeue"), 404, "never"),
        (await ask("GET", "/schedules/never"), 404, "never"),
        (await ask("POST", "/schedules/never/run"), 404, "never"),
        (await ask("PATCH", "/schedules/never", json=CRON), 404, "never"),
    ]


async def test_refusals_name_ids_as_the_key_knows_them(api: Api, keys: Keys) -> None:
    for answer, status, named in await refusals(api, keys["mine"]):
        assert answer.status == status, answer.content
        assert named in answer.json["detail"]
        assert b"mine" not in answer.content
        assert b"~" not in answer.content


async def test_who_sees_all_gets_whole_ids_in_refusals(api: Api, keys: Keys) -> None:
    """As they stand in lists, so that the task can be found."""
    await mine(api, keys, id="live", delay=60)
    for method, path in (("GET", "/tasks/mine~live/body"), ("GET", "/tasks/mine~live/attempts/7")):
        answer = await api.ask(method, path, headers=keys["boss"])
        assert (answer.status, "mine~live" in answer.json["detail"]) == (404, True)
    for answer, status, named in await refusals(api, keys["boss"]):
        assert (answer.status, named in answer.json["detail"]) == (status, True)


async def test_refused_items_of_a_batch(api: Api, keys: Keys) -> None:
    """A taken and a deleted id, a key with another request: named as the key knows them."""
    url = "http://example.com/"
    for task_id in ("taken", "gone"):
        await mine(api, keys, id=task_id, delay=60)
    await api.ask("DELETE", "/tasks/gone", headers=keys["mine"])
    sent = [{"url": url, "id": "taken", "method": "PUT"}, {"url": url, "id": "gone"}]
    answer = await api.ask("POST", "/tasks/batch", json=sent, headers=keys["mine"])
    assert [item["status"] for item in answer.json["items"]] == [409, 409]
    key = {**keys["mine"], "Idempotency-Key": "k"}
    first = await api.ask("POST", "/tasks/batch", json=[{"url": url, "method": "POST"}], headers=key)
    again = await api.ask("POST", "/tasks/batch", json=[{"url": url, "method": "PUT"}], headers=key)
    (item,) = again.json["items"]
    assert item["status"] == 422
    assert first.json["items"][0]["id"] in item["errors"][0]["message"]
    assert "'k'" in item["errors"][0]["message"]
    for each in (answer, first, again):
        assert b"mine" not in each.content


@pytest.mark.parametrize("name", ["aaa", "theirs", "zzz"])
async def test_pages_of_schedules(api: Api, keys: Keys, name: str) -> None:
    """No cursor where the own ones end, whoever else has some; nor does one lead anywhere else."""
    secret = bearer(await api.make_key(name, Scope.SUBMIT, Scope.READ)) if name != "theirs" else keys[name]
    for owner in (secret, keys["mine"], keys["boss"]):
        for schedule in ("a", "b", "c"):
            made = await api.ask("POST", "/schedules", json={"name": schedule, **CRON}, headers=owner)
            assert made.status == 201
    for limit in (1, 2, 3, 4):
        names, cursor = [], ""
        for _ in range(4):
            path = f"/schedules?limit={limit}{cursor}"
            page = (await api.ask("GET", path, headers=keys["mine"])).json
            names += [each["name"] for each in page["schedules"]]
            if page["next_cursor"] is None:
                break
            assert page["next_cursor"] in names
            cursor = f"&cursor={page['next_cursor']}"
        assert names == ["a", "b", "c"]
    for foreign in (f"{name}~", f"{name}~a", "~", "mine~", "zzz~z", "0"):
        led = await api.ask("GET", f"/schedules?cursor={foreign}", headers=keys["mine"])
        assert {each["name"] for each in led.json["schedules"]} <= {"a", "b", "c"}
        assert "~" not in led.content.decode()


@pytest.mark.parametrize("path", ["/tasks", "/dead-letters"])
@pytest.mark.parametrize("cursor", ["theirs", "theirs~x", "what", "1", "x:y"])
@pytest.mark.parametrize("who", ["mine", "boss"])
async def test_a_cursor_of_nobody(api: Api, keys: Keys, path: str, cursor: str, who: str) -> None:
    await api.refusal(400, "bad_query", "GET", f"{path}?cursor={cursor}", headers=keys[who])


@pytest.mark.parametrize("path", ["/tasks", "/dead-letters"])
@pytest.mark.parametrize("condition", ["created_by", "label", "host", "reason"])
async def test_conditions_tell_nothing_of_others(api: Api, keys: Keys, path: str, condition: str) -> None:
    """One that others meet answers as one that nobody meets."""
    await theirs(api, keys)
    met = {"created_by": "theirs", "label": "secret", "host": "example.com", "reason": "in a test"}
    asked = [
        await api.ask("GET", f"{path}?{condition}={value}", headers=keys["mine"])
        for value in (met[condition], "nobody")
    ]
    assert asked[0].content == asked[1].content
    seen = await api.ask("GET", f"{path}?{condition}={met[condition]}", headers=keys["boss"])
    assert b"theirs~" in seen.content


async def test_unreadable_messages_are_for_who_sees_all(api: Api, keys: Keys) -> None:
    """Nobody knows whose they are."""
    await api.store.add_dead_messages([message("message-1")], retention=100)
    listed = await api.ask("GET", "/dead-letters", headers=keys["mine"])
    assert listed.json == {"dead_letters": [], "next_cursor": None}
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/requeue")):
        for letter in ("message-1", "never"):
            path = f"/dead-letters/{letter}{more}"
            await api.refusal(404, "task_unknown", method, path, headers=keys["mine"])
    assert (await api.ask("GET", "/dead-letters/message-1", headers=keys["boss"])).status == 200


async def test_attempts_name_the_task_as_the_key_knows_it(api: Api, keys: Keys) -> None:
    """In each format. By the stored id targets tell repetitions, since others may have the same id."""
    for name in ("mine", "theirs"):
        await submit(api, keys[name], id="same")
        await api.finish(f"{name}~same", Status.SUCCEEDED, Response(status=200, body=b"x", size_bytes=1))
    for form in ("json", "har", "curl"):
        answer = await api.ask("GET", f"/tasks/same/attempts/1?format={form}", headers=keys["mine"])
        text = answer.content.decode()
        assert answer.status == 200
        assert text.count("mine~same") == 1
        assert "theirs" not in text
        assert "Taskrunner-Task-Id" in text
    attempts = (await api.ask("GET", "/tasks/same/attempts", headers=keys["mine"])).json["attempts"]
    sent = {each["name"]: each["value"] for each in attempts[0]["request"]["headers"]}
    assert (attempts[0]["task_id"], sent["Taskrunner-Task-Id"]) == ("same", "same")
    assert sent["Idempotency-Key"] == "mine~same"


async def test_the_version_that_a_schedule_asks_for_names_the_run_as_the_key_knows_it(
    api: Api, keys: Keys
) -> None:
    url = "http://example.com/"
    known = Validators(task_id="mine~before", url=url, etag='"1"')
    await api.store.accept([entry(make_task(id="mine~run", url=url, validators=known, created_by="mine"))])
    for path in ("/tasks/run", "/tasks"):
        answer = await api.ask("GET", path, headers=keys["mine"])
        assert b'"before"' in answer.content
        assert b"mine~" not in answer.content


async def test_a_callback_is_of_the_key_and_names_its_task(api: Api, keys: Keys) -> None:
    """Two keys may give the same id: each finds the callback of its own by the label."""
    callback = {"url": "http://example.com/hook"}
    for name in ("mine", "theirs"):
        await submit(api, keys[name], id="same", callback=callback)
        record = await api.store.get(f"{name}~same")
        assert record is not None
        now = datetime.now(UTC)
        ref = AttemptRef(id=record.task.id, attempt=1)
        await api.store.claim([ref], now=now, lease_until=now + timedelta(seconds=30), consumer="c1")
        attempt = Attempt(number=1, consumer="c1", started_at=now)
        outcome, verdict = Outcome(kind=OutcomeKind.OK), Verdict(status=Status.SUCCEEDED, reason="test")
        end = settlement(record.task, attempt, outcome, verdict, RetentionSettings(), now=now, webhooks=())
        [report] = end.follow_ups
        payload = orjson.loads(report.task.body or "")
        assert payload["data"]["id"] == "same"
        assert "~" not in str(report.task.headers) + str(report.task.body)
        await api.store.settle([end], now=now)
    for name in ("mine", "theirs"):
        listed = await api.ask("GET", "/tasks?label=callback=same", headers=keys[name])
        (task,) = listed.json["tasks"]
        assert (task["created_by"], task["labels"]) == (name, {"callback": "same"})
        assert (await api.store.get(f"{name}~{task['id']}")) is not None
