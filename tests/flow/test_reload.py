"""A reload in one process: what changes, what waits for a restart, and that the two are not mixed."""

import base64
import json
from functools import partial
from pathlib import Path

import pytest

from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.reload import Reload
from taskrunner.config import load
from taskrunner.domain.events import ConfigRefused, ConfigReloaded, Event

SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    (tmp_path / "config.yaml").write_text("{}")
    settings = {
        "TASKRUNNER_STORE__URL": f"sqlite:///{tmp_path}/x.db",
        "TASKRUNNER_RABBIT__ADDR": "memory://",
    }
    return Platform(load(environ=settings, folder=tmp_path), publishes=False)


def reload(platform: Platform, folder: Path, config: object) -> Event:
    """Reload with this file, and answer what came of it."""
    told: list[Event] = []
    platform.events.subscribe(told.append, (ConfigReloaded, ConfigRefused))
    (folder / "config.yaml").write_text(json.dumps(config))
    monitor = Monitor(platform, consuming=False, providers={})
    Reload(platform, monitor, partial(load, environ={}, folder=folder))()
    (event,) = told
    return event


def test_what_needs_a_restart_takes_no_part(tmp_path: Path, platform: Platform) -> None:
    """A limit of tasks is read together with settings that consumers take over at their start only."""
    event = reload(
        platform,
        tmp_path,
        {
            "Store": {"url": platform.config.store.url},
            "Rabbit": {"addr": "memory://"},
            "Limits": {"max_headers": 3},
            "Callbacks": {"secrets": {"new": {"keys": [SECRET], "hosts": "*"}}},
            "Fetch": {"ports": [81]},
        },
    )
    assert isinstance(event, ConfigReloaded)
    assert event.changed == ("Limits.max_headers",)
    assert event.need_restart == ("Callbacks.secrets", "Fetch.ports")
    limits = platform.intake.task_settings.limits
    assert limits.max_headers == 3
    assert limits.callback_secrets == {}
    assert 81 not in limits.ssrf_policy.ports


def test_a_finding_changes_nothing(tmp_path: Path, platform: Platform) -> None:
    before = platform.config, platform.intake.task_settings
    event = reload(platform, tmp_path, {"Limits": {"max_headers": 3, "max_heathers": 3}})
    assert isinstance(event, ConfigRefused)
    assert "max_heathers" in event.error
    assert (platform.config, platform.intake.task_settings) == before
