"""SIGHUP: a running process takes over what can change, and a bad configuration changes nothing."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.ports import free_ports

from taskrunner.domain.keys.api_key import new_secret
from tests.system.harness.command_line import run
from tests.system.harness.http import Answer, Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import wait_for

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the configuration file; sections are given by name."""

    def write(**sections: object) -> None:
        (tmp_path / "config.yaml").write_text(json.dumps(sections))

    return write


@pytest.fixture
def process(tmp_path: Path, write: Write) -> Iterator[TaskrunnerProcess]:
    """`taskrunner all` on a SQLite file, with the configuration file of the folder."""
    (port,) = free_ports(1)
    settings = {
        "STORE__URL": f"sqlite:///{tmp_path}/x.db",
        "RABBIT__ADDR": "memory://",
        "API__PORT": port,
        "SERVER__PORT": 0,
        "SERVER__ADDR": "127.0.0.1",
    }
    write()
    assert run(tmp_path, settings, "db", "upgrade").returncode == 0
    made = TaskrunnerProcess("all", port=port, log=tmp_path / "all.log", settings=settings)
    yield made.wait_ready()
    assert made.stop() == 0


def lines(process: TaskrunnerProcess, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in process.logged().splitlines()]
    return [line for line in found if line["event"] == event]


def hang_up(process: TaskrunnerProcess, event: str = "config_reloaded") -> dict[str, Any]:
    """Send SIGHUP, and wait for the line that says what came of it."""
    before = len(lines(process, event))
    process.signal(signal.SIGHUP)
    wait_for(lambda: len(lines(process, event)) > before, event)
    return lines(process, event)[-1]


def submit(process: TaskrunnerProcess, key: str = "", **fields: object) -> Answer:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with Client(process.port) as client:
        return client.post("/tasks", {"url": "http://example.com/", "delay": 60, **fields}, **headers)


def test_what_can_change_changes(process: TaskrunnerProcess, write: Write) -> None:
    """API keys, limits of tasks and of hosts, the log's level; the rest needs a restart, and is named."""
    key = new_secret()
    assert submit(process).status == 202
    write(
        Api={"keys": {"ops": key}, "inline_body_bytes": 1},
        Limits={"max_labels": 1},
        Hosts={"limits": {"example.com": {"concurrency": 2}}},
        Logger={"level": "warning"},
    )
    # The line that tells of the change is of the new level.
    process.signal(signal.SIGHUP)
    wait_for(lambda: submit(process).status == 401, "the key is needed")
    assert submit(process, key).status == 202
    assert submit(process, key, labels={"a": "1", "b": "2"}).status == 422
    with Client(process.port) as client:
        host = client.request("GET", "/hosts/example.com", b"", {"Authorization": f"Bearer {key}"})
    assert host.json["limit"]["concurrency"] == 2
    write(Api={"keys": {"ops": key}, "inline_body_bytes": 1}, Logger={"level": "info"})
    told = hang_up(process)
    assert told["changed"] == ["Hosts.limits", "Limits.max_labels", "Logger.level"]
    assert told["need_restart"] == ["Api.inline_body_bytes"]
    assert submit(process, key, labels={"a": "1", "b": "2"}).status == 202


@pytest.mark.parametrize("text", ["Limits: {max_labels: -1}", "Limits: [", "Limit: {}"])
def test_a_bad_file_changes_nothing(process: TaskrunnerProcess, tmp_path: Path, text: str) -> None:
    """And says why."""
    (tmp_path / "config.yaml").write_text(text)
    told = hang_up(process, "config_refused")
    assert (told["level"], "config.yaml" in told["error"]) == ("error", True)
    assert submit(process, labels={"a": "1", "b": "2"}).status == 202


def test_a_key_of_the_configuration_is_replaced(process: TaskrunnerProcess, write: Write) -> None:
    """The one before is refused from then on."""
    first, second = new_secret(), new_secret()
    write(Api={"keys": {"ops": first}})
    hang_up(process)
    assert submit(process, first).status == 202
    write(Api={"keys": {"ops": f"{second} submit"}})
    hang_up(process)
    assert (submit(process, first).status, submit(process, second).status) == (401, 202)
    assert process.logged().count(first) == 0
