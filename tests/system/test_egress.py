"""The egress proxy from end to end: by configuration, for every task, with its credentials kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.ports import free_ports

from tests.system.harness.command_line import run
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools import behaviours
from tests.tools.hostile import Hostile
from tests.tools.waiting import wait_for

PASSWORD = "s3cret-pw"


@pytest.fixture
def proxy() -> Iterator[Hostile]:
    with Hostile() as server:
        yield server


@pytest.fixture
def everything(tmp_path: Path, proxy: Hostile) -> Iterator[TaskrunnerProcess]:
    """`taskrunner all` behind a proxy that sends every request to one target."""
    with Hostile() as target:
        target_port = int(target.url(behaviours.answer).rpartition(":")[2].strip("/"))
        place = proxy.url(behaviours.leads_to(target_port)).removeprefix("http://")
        api_port, page_port = free_ports(2)
        settings: dict[str, object] = {
            "RABBIT__ADDR": "memory://",
            "STORE__URL": f"sqlite:///{tmp_path}/x.db",
            "API__PORT": api_port,
            "SERVER__PORT": page_port,
            "FETCH__PROXY": f"http://me:{PASSWORD}@{place}",
            "LOGGER__LEVEL": "debug",
        }
        assert run(tmp_path, settings, "db", "upgrade").returncode == 0
        shown = run(tmp_path, settings, "config", "show").stdout
        assert f"http://***@{place}" in shown
        running = TaskrunnerProcess("all", port=api_port, log=tmp_path / "all.log", settings=settings)
        yield running.wait_ready()
        running.stop()


def test_tasks_go_through_the_proxy_that_is_configured(everything: TaskrunnerProcess, proxy: Hostile) -> None:
    """A literal private address is still refused, and no output or log contains the password."""
    with Client(everything.port) as client:
        refused = client.post("/tasks", {"url": "http://10.1.2.3/"})
        task_id = client.post("/tasks", {"url": "http://93.184.216.34/"}).json["id"]
        record = wait_for(
            lambda: (found := client.get(f"/tasks/{task_id}").json)["finished_at"] and found,
            "the task has ended",
        )
        told = client.get(f"/tasks/{task_id}/attempts").body.decode() + everything.logged()

    assert refused.status == 422
    assert (record["status"], record["attempts"][0]["address"]) == ("succeeded", "93.184.216.34:80")
    assert [seen.target for seen in proxy.ledger.requests] == ["93.184.216.34:80"]
    assert PASSWORD not in told
