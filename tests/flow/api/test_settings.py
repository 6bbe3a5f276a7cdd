"""`GET /settings`: what is in force, where it comes from, and no secret."""

from pathlib import Path
from typing import Any

import pytest

from taskrunner.config import load
from taskrunner.config.in_force import in_force
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.setting import SettingInForce
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer

SECRETS = {
    "TASKRUNNER_RABBIT__ADDR": "amqp://me:hunter2@rabbit.test/",
    "TASKRUNNER_REDIS__PASSWORD": "hunter2",
    "TASKRUNNER_FETCH__PROXY": "http://me:hunter2@proxy.test:3128",
    "TASKRUNNER_API__KEYS": "boss=tr_hunter2hunter2hunter2hunter2hunter2",
}


@pytest.fixture
def settings(tmp_path: Path) -> list[SettingInForce]:
    """Of a file, the environment and a flag."""
    (tmp_path / "config.yaml").write_text(
        "Workers:\n  lease: 40\n  min_workers: 5\nQueues: {reports: weight=7}\n"
    )
    return in_force(load(environ=SECRETS, folder=tmp_path, flags={"Api.port": "9000"}))


async def test_settings_have_their_sources_and_no_secret(api: Api, settings: list[SettingInForce]) -> None:
    """Each setting of the configuration, with its value, default and meaning."""
    answer = await api.get("/settings")
    assert answer.json["process"] == "api"
    found: dict[tuple[str, str], Any] = {
        (each["section"], each["name"]): each for each in answer.json["settings"]
    }
    assert len(found) == len(settings)
    assert b"hunter2" not in answer.content
    told = {name: found[name]["source"].rpartition("/")[2] for name in found}
    assert told["Workers", "lease"] == "config.yaml:2"
    assert told["Queues", "reports"] == "config.yaml:4"
    assert told["Redis", "password"] == "environment TASKRUNNER_REDIS__PASSWORD"
    assert told["Api", "port"] == "--port"
    assert told["Api", "addr"] == "default"
    assert found["Api", "port"]["value"] == 9000
    assert found["Api", "port"]["default"] == 8000
    # It is set, to what it would be anyway.
    assert {name for name, each in found.items() if each["is_default"]} >= {("Workers", "min_workers")}
    assert not found["Rabbit", "addr"]["is_default"]
    assert "threads" in found["Workers", "max_workers"]["description"]


async def test_only_an_administrator_sees_the_settings(api: Api) -> None:
    """They name hosts, files and keys."""
    operator = bearer(await api.make_key("ops", Scope.READ, Scope.READ_ALL, Scope.OPERATE))
    admin = bearer(await api.make_key("boss", Scope.ADMIN))
    assert (await api.ask("GET", "/settings", headers=operator)).status == 403
    assert (await api.ask("GET", "/settings", headers=admin)).status == 200
