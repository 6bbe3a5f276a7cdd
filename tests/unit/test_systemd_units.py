"""The units of systemd name only what exists, and fit the settings."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from taskrunner.cli.main import COMMANDS
from taskrunner.config import Config, load

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
every_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
SERVERS = [unit for unit in UNITS if "all" not in unit.stem]


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.+)$", unit.read_text(), flags=re.MULTILINE)


def credentials(unit: Path) -> Mapping[str, str]:
    """The default of each credential that a unit loads."""
    defaults = dict(value.split(":", 1) for value in values(unit, "SetCredential"))
    assert defaults.keys() == set(values(unit, "LoadCredential"))
    return defaults


def config_of(unit: Path, folder: Path) -> Config:
    """The configuration of a process that a unit starts; `folder` stands for that of its credentials."""
    for name, content in credentials(unit).items():
        (folder / name).write_text(content)
    words = [word for value in values(unit, "Environment") for word in shlex.split(value)]
    stands_for = {"%d": str(folder), "%i": "8081", "%S": "/var/lib"}
    environ = dict(re.sub("%.", lambda match: stands_for[match[0]], word).split("=", 1) for word in words)
    return load(None, environ=environ, search=False)


@every_unit
def test_each_unit_starts_a_command_that_tells_systemd_about_itself(unit: Path) -> None:
    """The program is the one of the environment that docs/deploying.md makes."""
    program, command = values(unit, "ExecStart")[0].split()
    assert program == "/opt/taskrunner/bin/taskrunner"
    assert command in COMMANDS
    assert command in re.split("[-@.]", unit.name)
    assert values(unit, "Type") == ["notify"]


@every_unit
def test_systemd_waits_longer_than_the_process_drains(unit: Path, tmp_path: Path) -> None:
    """SIGKILL must not come while requests or tasks under way still have time."""
    config = config_of(unit, tmp_path)
    grace = config.api.shutdown_grace if "serve" in unit.name else config.workers.shutdown_grace
    assert float(values(unit, "TimeoutStopSec")[0]) >= grace + 10


@pytest.mark.parametrize("unit", SERVERS, ids=[unit.name for unit in SERVERS])
def test_addresses_come_from_credentials(unit: Path, tmp_path: Path) -> None:
    """Nobody but the process sees a password, and without credentials local servers are asked."""
    config = config_of(unit, tmp_path)
    assert (config.rabbit.addr, config.store.url) == (
        ("amqp://guest:guest@127.0.0.1:5672/",),
        "redis://127.0.0.1:6379/0",
    )


def test_each_consumer_of_a_machine_has_its_own_port(tmp_path: Path) -> None:
    """The instance is the port, so two of them cannot take the same."""
    assert config_of(ROOT / "deploy/systemd/taskrunner-consume@.service", tmp_path).server.port == 8081


def test_the_unit_without_servers_keeps_its_file(tmp_path: Path) -> None:
    """A dynamic user writes nowhere but in the folder that systemd makes for it."""
    unit = ROOT / "deploy/systemd/taskrunner-all.service"
    config = config_of(unit, tmp_path)
    assert config.rabbit.in_memory
    assert config.store.url == f"sqlite:////var/lib/{values(unit, 'StateDirectory')[0]}/taskrunner.db"
