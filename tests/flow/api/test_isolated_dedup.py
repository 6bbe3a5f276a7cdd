"""Dedup keys of one API key are not met, and cannot be inferred, by another that sees only its own tasks."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN, keys
from tests.tools.examples import share

__all__ = ["keys"]  # a fixture
Keys = dict[str, dict[str, str]]
PATHS = ["/tasks", "/tasks?dry_run=true", "/tasks/batch", "/tasks/batch?atomic=true"]
MODES = ["return", "reject", "replace"]


def task(key: str, mode: str = "return", **fields: Any) -> dict[str, Any]:
    return {"url": "http://example.com/", "delay": 60, "dedup": {"key": key, "mode": mode}, **fields}


async def submit(api: Api, key: dict[str, str], body: Any, path: str = "/tasks") -> Answer:
    return await api.ask("POST", path, json=body, headers=key)


def told(answer: Answer) -> tuple[int, set[str], list[str]]:
    """What an answer says beside ids and times."""
    items = answer.json.get("items", [answer.json])
    names = [f"{each.get('status')} {each.get('created')} {each.get('existing_id')}" for each in items]
    return answer.status, {"Deduplicated", "Idempotency-Replayed"} & answer.headers.keys(), names


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks?dry_run=true", "/tasks/batch", "/tasks/batch?atomic=true"]
)
async def test_a_key_that_another_holds_is_as_if_it_was_free(
    api: Api, keys: Keys, mode: str, path: str
) -> None:
    """Every way in answers as for a key that nobody has, and the other's task stays as it is."""
    theirs = (await submit(api, keys["theirs"], task("taken"))).json["id"]
    for key in ("taken", "theirs~taken"):
        one, other = task(key, mode), task("free", mode)
        bodies = ([one], [other]) if "batch" in path else (one, other)
        asked, free = [await submit(api, keys["mine"], body, path) for body in bodies]
        assert told(asked) == told(free)
        assert theirs.encode() not in asked.content
        for answer in (asked, free):
            for made in answer.json.get("items", [answer.json]):
                if made.get("id"):
                    await api.ask("DELETE", f"/tasks/{made['id']}", headers=keys["mine"])
    record = await api.store.get(f"theirs~{theirs}")
    assert record is not None
    assert record.status is Status.SCHEDULED


async def test_no_key_reaches_into_a_namespace(api: Api, keys: Keys) -> None:
    """The mark between the name of an API key and a dedup key cannot be sent."""
    for key in ("theirs\tk", "theirs\nk"):
        answer = await submit(api, keys["mine"], task(key))
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, "dedup.key")


@pytest.mark.parametrize("mode", MODES)
async def test_own_keys_are_met_and_ids_are_those_that_the_key_knows(api: Api, keys: Keys, mode: str) -> None:
    mine = (await submit(api, keys["mine"], task("k", id="first"))).json["id"]
    again = await submit(api, keys["mine"], task("k", mode))
    assert again.status == {"return": 200, "reject": 409, "replace": 202}[mode]
    assert b"~" not in again.content
    assert b"~" not in again.headers.get("Location", "").encode()
    if mode == "return":
        assert (again.json["id"], again.headers["Location"]) == (mine, "/tasks/first")
    if mode == "reject":
        assert "task first holds" in again.json["detail"]
    dry = await submit(api, keys["mine"], task("k", "replace"), "/tasks?dry_run=true")
    assert b"~" not in dry.content


async def test_who_sees_all_shares_one_namespace(api: Api, keys: Keys) -> None:
    """And meets no dedup key of an isolated key: its own are others."""
    other = bearer(await api.make_key("other", Scope.SUBMIT, Scope.READ, Scope.READ_ALL))
    first = await submit(api, keys["boss"], task("k"))
    assert (await submit(api, other, task("k"))).json["id"] == first.json["id"]
    assert (await submit(api, keys["mine"], task("k"))).status == 202


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.sampled_from(MODES)), max_size=12))
@settings(
    max_examples=share(1 / 4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_a_key_is_told_does_not_depend_on_others(
    api: Api, steps: list[tuple[int, str, str]]
) -> None:
    """With others between its submits, or without them, the answers are the same."""
    names = [f"p{number}-{api.clock.now().timestamp():.6f}".replace(".", "-") for number in range(4)]
    secrets = [bearer(await api.make_key(name, *OWN)) for name in names]
    mixed = [told(await submit(api, secrets[who], task(key, mode))) for who, key, mode in steps]
    alone = [told(await submit(api, secrets[3], task(key, mode))) for who, key, mode in steps if who == 0]
    assert [answer for answer, (who, *_) in zip(mixed, steps, strict=True) if who == 0] == alone
