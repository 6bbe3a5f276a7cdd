"""Hosts by the API: what is shown of them, their limits, and the end of a trouble."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.hosts.back_pressure import BackPressure
from taskrunner.domain.hosts.circuit_breaker import CircuitBreaker
from taskrunner.domain.hosts.host_state import HeldSlots, HostState, encode_state
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.flow.api.harness import Api

NOBODY = {"concurrency": None, "rate": None, "burst": None}


async def put(api: Api, host: str, state: HostState) -> None:
    now = datetime.now(UTC)
    entry = HostEntry(host=host, version="v1", encoded=encode_state(state), until=now + timedelta(hours=1))
    (answer,) = await api.store.write_hosts([HostEdit(entry=entry, expected=None)], now=now)
    assert answer.written


async def test_a_limit_is_set_changed_and_removed(api: Api) -> None:
    """By pattern, beside those of the configuration; the most specific one counts for a host."""
    configured = {**NOBODY, "pattern": "*.config.test", "rate": 2.5, "source": "config"}
    assert (await api.get("/hosts")).json == {"hosts": [], "limits": [configured], "next_cursor": None}
    answer = await api.ask("PUT", "/hosts/*.Test/limit", json={"rate": "90/m", "concurrency": 4})
    given = {**NOBODY, "pattern": "*.test", "rate": 1.5, "concurrency": 4, "source": "api"}
    assert (answer.status, answer.json) == (200, given)
    assert (await api.get("/hosts")).json["limits"] == [configured, given]
    shown = (await api.get("/hosts/a.config.test")).json
    assert (shown["state"], shown["pattern"], shown["limit"]["rate"]) == ("ok", "*.config.test", 2.5)
    await api.ask("PUT", "/hosts/*.config.test/limit", json={"rate": 7})
    assert (await api.get("/hosts/a.config.test:8443")).json["limit"]["rate"] == 7
    assert (await api.ask("DELETE", "/hosts/*.config.test/limit")).status == 204
    assert (await api.get("/hosts/a.config.test")).json["limit"]["rate"] == 2.5
    problem = await api.refusal(404, "host_limit_unknown", "DELETE", "/hosts/*.config.test/limit")
    assert "configuration" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("a.test", {}, ""),
        ("a.test", {"rate": "fast"}, "rate"),
        ("a.test", {"rate": 0}, "rate"),
        ("a.test", {"concurrency": 0}, "concurrency"),
        ("a.test", {"burst": 3, "concurrency": 1}, ""),
        ("a.test", {"speed": 3}, "speed"),
    ],
)
async def test_what_is_no_limit_is_refused(api: Api, path: str, body: object, field: str) -> None:
    problem = await api.refusal(422, "host_limit_invalid", "PUT", f"/hosts/{path}/limit", json=body)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({}, {"rate": 1.5, "concurrency": 4, "burst": 9}),
        ({"rate": "5/s"}, {"rate": 5, "concurrency": 4, "burst": 9}),
        ({"burst": None}, {"rate": 1.5, "concurrency": 4, "burst": None}),
        ({"rate": None, "burst": None}, {"rate": None, "concurrency": 4, "burst": None}),
        ({"concurrency": None, "rate": 2}, {"rate": 2, "concurrency": None, "burst": 9}),
    ],
)
@pytest.mark.parametrize("media_type", ["application/merge-patch+json", "application/json"])
async def test_a_patch_keeps_what_it_does_not_name(
    api: Api, patch: object, after: dict[str, object], media_type: str
) -> None:
    """null removes a field (RFC 7396)."""
    await api.ask("PUT", "/hosts/*.Test/limit", json={"rate": "90/m", "concurrency": 4, "burst": 9})
    headers = {"Content-Type": media_type}
    answer = await api.ask("PATCH", "/hosts/*.TEST/limit", data=json.dumps(patch), headers=headers)
    assert (answer.status, answer.json) == (200, {"pattern": "*.test", "source": "api", **after})
    assert answer.json in (await api.get("/hosts")).json["limits"]


async def test_a_patch_of_a_configured_limit_overrules_it(api: Api) -> None:
    answer = await api.ask("PATCH", "/hosts/*.config.test/limit", json={"concurrency": 3})
    assert (answer.json["rate"], answer.json["concurrency"], answer.json["source"]) == (2.5, 3, "api")
    assert (await api.ask("DELETE", "/hosts/*.config.test/limit")).status == 204
    assert (await api.get("/hosts/a.config.test")).json["limit"]["concurrency"] is None


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ('{"rate": null, "concurrency": null, "burst": null}', 422, ""),
        ('{"rate": null, "concurrency": 1}', 422, ""),
        ('{"rate": "***"}', 422, "rate"),
        ('{"concurrency": "***"}', 422, "concurrency"),
        ('{"rates": 3}', 422, "rates"),
        ('{"rates": null}', 422, "rates"),
        ('{"": null}', 422, ""),
        ('{"rate": {"burst": 1}}', 422, "rate"),
        ('{"rate": 1, "rate": 2}', 400, "rate"),
        ('{"rate": 1, "r\\u0061te": 2}', 400, "rate"),
        ('{"rate": NaN}', 400, "rate"),
        ("[]", 400, ""),
        ("null", 400, ""),
        ("", 400, ""),
        ('{"rate": 1}}', 400, ""),
    ],
)
async def test_a_patch_that_makes_no_limit_is_refused(api: Api, body: str, status: int, field: str) -> None:
    """And changes nothing."""
    await api.ask("PUT", "/hosts/a.test/limit", json={"rate": 1, "burst": 2})
    before = (await api.get("/hosts")).json
    code = {400: "bad_json", 422: "host_limit_invalid"}[status]
    headers = {"Content-Type": "application/json"}
    problem = await api.refusal(status, code, "PATCH", "/hosts/a.test/limit", data=body, headers=headers)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert (await api.get("/hosts")).json == before


async def test_a_patch_needs_a_limit(api: Api) -> None:
    problem = await api.refusal(
        404, "host_limit_unknown", "PATCH", "/hosts/a.config.test/limit", json={"rate": 1}
    )
    assert "PUT sets one" in problem["detail"]


async def test_a_member_is_given_once(api: Api) -> None:
    """By PUT as well."""
    for body in ('{"rate": 1, "rate": 2}', b'{"rate": 1, "\xff": 2}'):
        await api.refusal(
            400,
            "bad_json",
            "PUT",
            "/hosts/a.test/limit",
            data=body,
            headers={"Content-Type": "application/json"},
        )


async def test_there_is_an_end_to_limits(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there may be changed; another needs the place of one."""
    monkeypatch.setattr("taskrunner.producer.host_admin.MAX_LIMITS", 2)
    for number in range(2):
        await api.ask("PUT", f"/hosts/{number}.test/limit", json={"rate": 1})
    problem = await api.refusal(422, "host_limit_invalid", "PUT", "/hosts/2.test/limit", json={"rate": 1})
    assert "no more than 2 may be" in problem["errors"][0]["message"]
    assert (await api.ask("PUT", "/hosts/1.test/limit", json={"rate": 2})).status == 200
    await api.ask("DELETE", "/hosts/1.test/limit")
    assert (await api.ask("PUT", "/hosts/2.test/limit", json={"rate": 1})).status == 200


async def test_trouble_is_shown_and_reset(api: Api) -> None:
    """A host in each state, and a reset of an open one; what it has under way stays known."""
    now = datetime.now(UTC).timestamp()
    slots = {"c": HeldSlots(held=2, until=now + 60)}
    await put(api, "open.test", HostState(breaker=CircuitBreaker(since=now, until=now + 60), slots=slots))
    await put(api, "half.test", HostState(breaker=CircuitBreaker(since=now - 9, until=now - 1)))
    await put(api, "slowed.test", HostState(back_pressure=BackPressure(since=now, until=now + 60, level=1)))
    await put(api, "limited.test", HostState(tail=now + 30, mean=0.5))
    hosts = {host["host"]: host for host in (await api.get("/hosts")).json["hosts"]}
    assert {name: host["state"] for name, host in hosts.items()} == {
        "open.test": "open",
        "half.test": "half_open",
        "slowed.test": "slowed",
        "limited.test": "limited",
    }
    assert hosts["open.test"]["until"] is not None
    assert hosts["limited.test"]["waiting_until"] is not None
    answer = await api.ask("POST", "/hosts/open.test/reset")
    assert (answer.status, answer.json["state"], answer.json["until"]) == (200, "ok", None)
    await api.ask("PUT", "/hosts/open.test/limit", json={"concurrency": 3})
    assert (await api.get("/hosts/open.test")).json["in_flight"] == 2
    for spelling in ("OPEN.test:443", "open.test.:80", "open.test."):
        assert (await api.get(f"/hosts/{spelling}")).json["host"] == "open.test"
    assert (await api.ask("POST", "/hosts/never.test/reset")).json["state"] == "ok"


@pytest.mark.parametrize("name", ["a*.test", "a..test", "xn--a.test", "*.[::1]", "%FF", "256.1.1.1"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/hosts/{}"),
        ("POST", "/hosts/{}/reset"),
        *((method, "/hosts/{}/limit") for method in ("GET", "PUT", "PATCH", "DELETE")),
    ],
)
async def test_a_name_that_no_host_can_have_is_unknown(api: Api, method: str, path: str, name: str) -> None:
    """As the names of other resources are: the path leads nowhere."""
    body = {"json": {"rate": 1}} if method in {"PUT", "PATCH"} else {}
    await api.refusal(404, "host_name_unknown", method, path.format(name), **body)
    if "limit" not in path:
        await api.refusal(404, "host_name_unknown", method, path.format("*.test"))


async def test_patches_at_a_time_all_count(api: Api) -> None:
    """None undoes another."""
    path = "/hosts/a.test/limit"
    await api.ask("PUT", path, json={"concurrency": 1, "rate": 1, "burst": 1})
    patches = [{"concurrency": 2}, {"rate": 3}, {"burst": 4}]
    answers = await asyncio.gather(*(api.ask("PATCH", path, json=each) for each in patches))
    assert [answer.status for answer in answers] == [200] * 3
    limits = {each["pattern"]: each for each in (await api.get("/hosts")).json["limits"]}
    assert [limits["a.test"][name] for name in ("concurrency", "rate", "burst")] == [2, 3.0, 4]


async def test_a_limited_executor_is_shown_as_a_host(api: Api) -> None:
    """Under the name that waiting tasks give; other names with a colon are no hosts."""
    await api.make_executor("resize", kind="remote", concurrency=4)
    shown = (await api.get("/hosts/executor:resize")).json
    assert (shown["state"], shown["pattern"]) == ("ok", "executor:resize")
    assert shown["limit"] == {**NOBODY, "concurrency": 4}
    assert (await api.ask("POST", "/hosts/executor:resize/reset")).status == 200
    for wrong in ("executor:Resize", "other:resize"):
        await api.refusal(404, "host_name_unknown", "GET", f"/hosts/{wrong}")
