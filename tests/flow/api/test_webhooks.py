"""Webhooks over the API: made, listed, changed and deleted, each by who may, and seen by nobody else."""

from typing import Any

import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.webhooks.webhook import MAX_WEBHOOKS
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

HOOK = {"name": "ends", "url": "https://hook.test/in"}
FULL = {
    **HOOK,
    "secret": "billing",
    "events": ["failed", "cancelled"],
    "filter": {
        "label": ["team=red", "kind"],
        "queue": "high",
        "executor": "http",
        "host": "A.test",
        "outcome": "timeout",
        "created_by": "web",
    },
    "enabled": False,
}


async def test_one_is_made_and_read(api: Api) -> None:
    """With its defaults, and where it is."""
    made = await api.ask("POST", "/webhooks", json=HOOK)
    assert (made.status, made.headers["Location"]) == (201, "/webhooks/ends")
    assert made.json | {"created_at": None, "updated_at": None} == {
        "name": "ends",
        "url": "https://hook.test/in",
        "secret": None,
        "tls": None,
        "events": ["succeeded", "failed", "cancelled"],
        "filter": {
            "label": [],
            "queue": None,
            "executor": None,
            "host": None,
            "outcome": None,
            "created_by": None,
        },
        "enabled": True,
        "created_by": None,
        "created_at": None,
        "updated_at": None,
    }
    assert (await api.get("/webhooks/ends")).json == made.json
    assert (await api.get("/webhooks")).json == {"webhooks": [made.json]}


async def test_all_can_be_said(api: Api) -> None:
    """And what was read can be sent back."""
    made = await api.ask("POST", "/webhooks", json=FULL)
    assert made.status == 201
    assert made.json["filter"] == FULL["filter"] | {"host": "a.test"}  # type: ignore[operator]  # a dictionary
    assert (made.json["events"], made.json["enabled"]) == (["failed", "cancelled"], False)
    given = {name: made.json[name] for name in (*FULL, "tls")}
    again = await api.ask("PUT", "/webhooks/ends", json=given)
    assert again.status == 200
    assert again.json | {"updated_at": None} == made.json | {"updated_at": None}


async def test_a_put_makes_or_replaces(api: Api) -> None:
    """When it was made stays."""
    made = await api.ask("PUT", "/webhooks/ends", json={"url": "https://hook.test/1"})
    changed = await api.ask("PUT", "/webhooks/ends", json={"url": "https://hook.test/2", "enabled": False})
    assert (made.status, changed.status) == (201, 200)
    assert (changed.json["url"], changed.json["enabled"]) == ("https://hook.test/2", False)
    assert changed.json["created_at"] == made.json["created_at"]
    await api.refusal(422, "webhook_invalid", "PUT", "/webhooks/ends", json={**HOOK, "name": "other"})


@pytest.mark.parametrize("name", ["a%20b", "x" * 200, "%C3%A9", "a~b~c"])
async def test_a_put_to_a_name_that_cannot_be_is_refused(api: Api, name: str) -> None:
    """By the field, as for schedules; reads of it find nothing."""
    body = {"url": "https://hook.test/"}
    problem = await api.refusal(422, "webhook_invalid", "PUT", f"/webhooks/{name}", json=body)
    assert [error["field"] for error in problem["errors"]] == ["name"]
    await api.refusal(404, "webhook_unknown", "GET", f"/webhooks/{name}")


async def test_one_is_deleted(api: Api) -> None:
    await api.ask("POST", "/webhooks", json=HOOK)
    assert (await api.ask("DELETE", "/webhooks/ends")).status == 204
    for method in ("GET", "DELETE"):
        await api.refusal(404, "webhook_unknown", method, "/webhooks/ends")
    assert (await api.get("/webhooks")).json == {"webhooks": []}


async def test_a_name_is_given_once(api: Api) -> None:
    await api.ask("POST", "/webhooks", json=HOOK)
    await api.refusal(409, "state_conflict", "POST", "/webhooks", json=HOOK)


async def test_there_are_few(api: Api) -> None:
    """Each adds a task to the end of each task. One that is there can still be changed."""
    for number in range(MAX_WEBHOOKS):
        await api.ask("PUT", f"/webhooks/w{number}", json={"url": "https://hook.test/"})
    for method, path in (("POST", "/webhooks"), ("PUT", "/webhooks/ends")):
        problem = await api.refusal(409, "state_conflict", method, path, json=HOOK)
        assert f"at most {MAX_WEBHOOKS}" in problem["detail"]
    assert (await api.ask("PUT", "/webhooks/w0", json={"url": "https://hook.test/x"})).status == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "a b"}, "name"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "https://hook.test/?token=***"}, "url"),
        ({"secret": "billig"}, "secret"),
        ({"url": "https://evil.test/", "secret": "billing"}, "secret"),
        ({"tls": "none"}, "tls"),
        ({"events": ["finished"]}, "events"),
        ({"events": []}, "events"),
        ({"enabled": "yes"}, "enabled"),
        ({"filter": []}, "filter"),
        ({"filter": {"label": ["=x"]}}, "filter.label"),
        ({"filter": {"label": "team=red"}}, "filter.label"),
        ({"filter": {"label": ["a"] * 33}}, "filter.label"),
        ({"filter": {"queue": "no queue"}}, "filter.queue"),
        ({"filter": {"executor": "Resize"}}, "filter.executor"),
        ({"filter": {"host": ""}}, "filter.host"),
        ({"filter": {"outcome": "bad"}}, "filter.outcome"),
        ({"filter": {"created_by": "no name"}}, "filter.created_by"),
        ({"filter": {"status": "failed"}}, "filter.status"),
        ({"filter": {"created_after": "7d"}}, "filter.created_after"),
        ({"evnts": ["failed"]}, "evnts"),
    ],
)
async def test_what_cannot_be_is_refused(api: Api, changes: dict[str, Any], field: str) -> None:
    """By the field. Conditions that the end of a task cannot be judged by are unknown."""
    body = {**HOOK, **changes}
    problem = await api.refusal(422, "webhook_invalid", "POST", "/webhooks", json=body)
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_secret_in_the_url_is_masked(api: Api) -> None:
    made = await api.ask("POST", "/webhooks", json={**HOOK, "url": "https://hook.test/?token=s3cretMark"})
    for answer in (made, await api.get("/webhooks"), await api.get("/webhooks/ends")):
        assert b"s3cretMark" not in answer.content


async def test_a_key_has_its_own(api: Api) -> None:
    """Two keys may use one name, and neither learns of the other's; who sees all sees both."""
    own = (Scope.SUBMIT, Scope.READ, Scope.OPERATE)
    scopes = {"mine": own, "theirs": own, "boss": (Scope.ADMIN,)}
    keys = {name: bearer(await api.make_key(name, *given)) for name, given in scopes.items()}
    for name in ("mine", "theirs"):
        hook = {**HOOK, "url": f"https://hook.test/{name}"}
        made = await api.ask("POST", "/webhooks", json=hook, headers=keys[name])
        assert (made.status, made.json["name"], made.json["created_by"]) == (201, "ends", name)
    await api.ask("POST", "/webhooks", json={**HOOK, "name": "other"}, headers=keys["theirs"])
    for path in ("/webhooks/ends", "/webhooks"):
        assert b"theirs" not in (await api.ask("GET", path, headers=keys["mine"])).content
    for name in ("other", "theirs~ends", "theirs~other"):
        for method in ("GET", "DELETE", "PUT"):
            if (method, name) == ("PUT", "other"):
                continue
            answer = await api.ask(
                method,
                f"/webhooks/{name}",
                headers=keys["mine"],
                **({"json": {"url": "https://hook.test/"}} if method == "PUT" else {}),
            )
            assert (answer.status, answer.json["code"]) == (404, "webhook_unknown")
            assert f"no webhook has the name '{name}'" in answer.json["detail"]
    seen = (await api.ask("GET", "/webhooks", headers=keys["boss"])).json["webhooks"]
    assert [each["name"] for each in seen] == ["mine~ends", "theirs~ends", "theirs~other"]
    changed = await api.ask(
        "PUT", "/webhooks/mine~ends", json={"url": "https://hook.test/x"}, headers=keys["boss"]
    )
    assert (changed.status, changed.json["created_by"]) == (200, "mine")
    body: dict[str, Any] = {"json": {"url": "https://hook.test/"}, "headers": keys["boss"]}
    await api.refusal(404, "webhook_unknown", "PUT", "/webhooks/mine~new", **body)
    [stored, *_] = await api.store.webhooks()
    assert (stored.name, stored.task_filter.namespace) == ("mine~ends", "mine~")


@pytest.mark.parametrize("scopes", [(Scope.SUBMIT,), (Scope.READ,)])
async def test_who_may_not_read_is_told_nothing(api: Api, scopes: tuple[Scope, ...]) -> None:
    """A report tells what became of a task."""
    key = bearer(await api.make_key("some", *scopes))
    for method, path in (("POST", "/webhooks"), ("PUT", "/webhooks/ends"), ("PATCH", "/webhooks/ends")):
        await api.refusal(403, "scope_missing", method, path, json=HOOK, headers=key)


async def test_each_change_is_in_the_audit(api: Api) -> None:
    """By the name of the webhook."""
    await api.ask("POST", "/webhooks", json=HOOK)
    await api.ask("PUT", "/webhooks/ends", json=HOOK)
    await api.ask("PATCH", "/webhooks/ends", json={"enabled": False})
    await api.ask("DELETE", "/webhooks/ends")
    entries = (await api.get("/audit")).json["entries"]
    assert [(each["action"], each["target"]) for each in reversed(entries)] == [
        ("webhooks.create", "ends"),
        ("webhooks.set", "ends"),
        ("webhooks.change", "ends"),
        ("webhooks.delete", "ends"),
    ]


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"enabled": True}, {"enabled": True}),
        ({"enabled": None}, {"enabled": True}),
        ({"secret": None}, {"secret": None}),
        ({"events": ["succeeded"]}, {"events": ["succeeded"]}),
        ({"events": ["deleted", "failed", "running"]}, {"events": ["running", "failed", "deleted"]}),
        ({"events": None}, {"events": ["succeeded", "failed", "cancelled"]}),
        ({"url": "https://hook.test/other"}, {"url": "https://hook.test/other"}),
        ({"name": "ends"}, {}),
        ({"filter": {"queue": None, "host": "b.test"}}, {"queue": None, "host": "b.test"}),
        ({"filter": {"label": ["kind=x"]}}, {"label": ["kind=x"]}),
        (
            {"filter": None},
            {"label": [], "queue": None, "executor": None, "host": None, "outcome": None, "created_by": None},
        ),
    ],
)
async def test_a_patch_changes_what_it_names(
    api: Api, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    """A JSON merge patch (RFC 7396): null removes a field, and objects are merged."""
    made = (await api.ask("POST", "/webhooks", json=FULL)).json
    answer = await api.ask("PATCH", "/webhooks/ends", json=patch)
    assert answer.status == 200, answer.content
    told = {name: value for name, value in changed.items() if name in made}
    conditions = {name: value for name, value in changed.items() if name in made["filter"]}
    expected = {**made, **told, "filter": {**made["filter"], **conditions}}
    assert {**answer.json, "updated_at": None} == {**expected, "updated_at": None}
    assert (await api.get("/webhooks/ends")).json == answer.json


async def test_a_patch_keeps_the_secrets_of_a_url(api: Api) -> None:
    """They are shown masked, and a masked one is never taken back."""
    body = {"name": "ends", "url": "https://hook.test/in?token=s3cret"}
    assert "s3cret" not in (await api.ask("POST", "/webhooks", json=body)).content.decode()
    answer = await api.ask("PATCH", "/webhooks/ends", json={"enabled": False})
    assert (answer.status, "s3cret" in answer.content.decode()) == (200, False)
    [stored] = await api.store.webhooks()
    assert (stored.callback.url, stored.enabled) == (body["url"], False)
    masked = {"url": answer.json["url"]}
    assert "***" in masked["url"]
    problem = await api.refusal(422, "webhook_invalid", "PATCH", "/webhooks/ends", json=masked)
    assert [error["field"] for error in problem["errors"]] == ["url"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"name": "other"}, "name"),
        ({"url": None}, "url"),
        ({"url": "https://evil.test/"}, "secret"),
        ({"secret": "billig"}, "secret"),
        ({"created_by": "me"}, "created_by"),
        ({"filter": {"queue": "no queue"}}, "filter.queue"),
        ({"filter": {"colour": "red"}}, "filter.colour"),
    ],
)
async def test_a_wrong_patch_changes_nothing(api: Api, patch: dict[str, Any], field: str) -> None:
    """Also if only the whole is wrong: the secret is not for the new host."""
    made = (await api.ask("POST", "/webhooks", json=FULL)).json
    problem = await api.refusal(422, "webhook_invalid", "PATCH", "/webhooks/ends", json=patch)
    assert field in [error["field"] for error in problem["errors"]]
    assert (await api.get("/webhooks/ends")).json == made
    await api.refusal(404, "webhook_unknown", "PATCH", "/webhooks/none", json={})


async def test_a_change_may_have_a_condition(api: Api) -> None:
    """On the state that was read; each change has a new tag."""
    made = await api.ask("POST", "/webhooks", json=HOOK)
    old = {"If-Match": made.headers["ETag"]}
    assert (await api.get("/webhooks/ends")).headers["ETag"] == made.headers["ETag"]
    body = {"url": "https://hook.test/2"}
    changed = await api.ask("PUT", "/webhooks/ends", json=body, headers=old)
    assert changed.status == 200
    for method, more in (("PUT", {"json": body}), ("PATCH", {"json": {"enabled": False}}), ("DELETE", {})):
        await api.refusal(412, "precondition_failed", method, "/webhooks/ends", headers=old, **more)
    new = {"If-Match": changed.headers["ETag"]}
    patched = await api.ask("PATCH", "/webhooks/ends", json={"enabled": False}, headers=new)
    assert patched.status == 200
    only_new = {"If-None-Match": "*"}
    await api.refusal(412, "precondition_failed", "PUT", "/webhooks/ends", json=body, headers=only_new)
    assert (await api.ask("PUT", "/webhooks/w2", json=body, headers=only_new)).status == 201
    last = {"If-Match": patched.headers["ETag"]}
    assert (await api.ask("DELETE", "/webhooks/ends", headers=last)).status == 204
