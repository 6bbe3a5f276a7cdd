"""Entity tags: 304 for what a client has, 412 for a change of what it has not seen."""

import asyncio
from typing import Any

import pytest

from tests.flow.api.harness import Api

CRON: dict[str, Any] = {"cron": "0 4 * * *", "task": {"url": "http://example.com/"}}


@pytest.mark.parametrize("path", ["/tasks/a", "/schedules/a", "/hosts/h.test", "/api/v1/tasks/a"])
async def test_what_the_client_has_is_not_sent_again(api: Api, path: str) -> None:
    """By the weak comparison, in a list, and with `*`."""
    await api.submit(id="a")
    await api.ask("PUT", "/schedules/a", json=CRON)
    tag = (await api.get(path)).headers["ETag"]
    assert tag.startswith('"')
    for given in (tag, f"W/{tag}", f'"x", {tag}', f'"a,b",,{tag}', "*", f'{tag[:-1]}-gzip"'):
        answer = await api.ask("GET", path, headers={"If-None-Match": given})
        assert (answer.status, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    for given in ('"x"', '""', 'W/"x"'):
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
    for given in (f'"x", {tag}', "*"):
        assert (await api.ask(method, path, json=body, headers={"If-Match": given})).status == 200
    await api.refusal(412, "precondition_failed", "PUT", "/schedules/b", json=CRON, headers={"If-Match": "*"})


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
