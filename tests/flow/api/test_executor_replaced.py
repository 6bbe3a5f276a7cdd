"""An executor that is replaced: its kind changes only where nothing is stranded, and its switch stays."""

from typing import Any

import pytest

from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Api

PATH = "/executors/resize_image"
HTTP = {"kind": "http", "url": "https://a.test/"}
CHANGES = [
    ("PUT", {"kind": "remote"}),
    ("PUT", HTTP),
    ("PATCH", {"kind": "remote"}),
    ("PATCH", HTTP),
    ("PATCH", {"kind": "remote", "managed_by": "operator"}),
]


@pytest.mark.parametrize(("method", "change"), CHANGES)
@pytest.mark.parametrize("managed_by", ["code", "operator"])
async def test_the_kind_stays_while_a_handler_or_a_task_needs_it(
    api: Api, method: str, change: dict[str, Any], managed_by: str
) -> None:
    """409: a handler that its code registers would be refused, and tasks run as the kind that they had."""
    await api.make_executor(managed_by=managed_by)
    if managed_by == "operator":
        task_id = (await api.ask("POST", "/tasks", json={"executor": "resize_image"})).json["id"]
        await api.queued(task_id)
    before = (await api.get(PATH)).json
    problem = await api.refusal(409, "state_conflict", method, PATH, json=change)
    assert f"cannot be changed from python to {change['kind']}" in problem["detail"]
    assert (await api.get(PATH)).json == before
    if managed_by == "operator":
        await api.finish(task_id, Status.SUCCEEDED)
        assert (await api.ask(method, PATH, json=change)).json["kind"] == change["kind"]


@pytest.mark.parametrize(
    ("given", "is_enabled"),
    [({}, False), ({"enabled": None}, False), ({"enabled": False}, False), ({"enabled": True}, True)],
)
async def test_a_disabled_one_stays_disabled(api: Api, given: dict[str, Any], *, is_enabled: bool) -> None:
    """Its tasks start again only when somebody says so."""
    await api.make_executor(enabled=False)
    put = await api.ask("PUT", PATH, json={"kind": "python", "timeout": 5, **given})
    assert (put.status, put.json["enabled"], put.json["timeout"]) == (200, is_enabled, 5)
