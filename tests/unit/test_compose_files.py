"""What docker-compose.yml mounts and names is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskrunner.cli.main import COMMANDS
from taskrunner.config import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENV_FILES = sorted((ROOT / "deploy" / "compose").glob("*.env"))


def mounted() -> Iterator[tuple[str, str]]:
    """Source and target of each file or folder of the repository that a container sees."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                yield volume["source"], volume["target"]


def variables(file: Path) -> dict[str, str]:
    return dict(
        line.split("=", 1) for line in file.read_text().splitlines() if line and not line.startswith("#")
    )


def test_mounted_files_exist() -> None:
    """Docker would refuse the start, since it may not make empty folders in their place."""
    assert [source for source, _ in mounted() if not (ROOT / source).exists()] == []


def test_services_wait_for_services_that_exist() -> None:
    named = {name for service in SERVICES.values() for name in service.get("depends_on", {})}
    assert named <= SERVICES.keys()


def test_our_services_run_commands_that_exist() -> None:
    ours = [service for service in SERVICES.values() if service["image"].startswith("taskrunner:")]
    assert len(ours) == 3
    assert all(service["command"][0] in COMMANDS for service in ours)


@pytest.mark.parametrize("file", ENV_FILES, ids=[file.name for file in ENV_FILES])
def test_env_files_set_what_compose_reads(file: Path) -> None:
    """A misspelt variable would leave the default in force without a word."""
    read = set(re.findall(r"\$\{(\w+)", TEXT))
    given = variables(file)
    profiles = {profile for service in SERVICES.values() for profile in service.get("profiles", [])}
    assert given.pop("COMPOSE_PROFILES") in profiles
    assert given.keys() <= read


def test_the_addresses_of_the_cluster_are_those_of_its_services() -> None:
    """Each node and each Sentinel is asked."""
    given = variables(ROOT / "deploy/compose/cluster.env")
    hosts = set(re.findall(r"@([\w-]+):5672/", given["RABBITMQ_ADDRS"]))
    hosts |= set(re.findall(r"([\w-]+):26379", given["REDIS_ADDRS"]))
    assert hosts == {name for name in SERVICES if re.match("rabbitmq|sentinel", name)}
    assert (
        f"sentinel monitor {given['REDIS_SENTINEL']} redis 6379" in COMPOSE["configs"]["sentinel"]["content"]
    )
    peers = re.findall(r"rabbit@([\w-]+)", (ROOT / "deploy/compose/rabbitmq.conf").read_text())
    assert peers == [name for name in SERVICES if name.startswith("rabbitmq")]


def test_prometheus_asks_each_process_at_its_port() -> None:
    """A target is refused whose name is not in `Api.hosts`."""
    scrape = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    config = load(ROOT / "deploy" / "config.yaml", environ={}, search=False)
    assert scrape["static_configs"] == [{"targets": [f"api:{config.api.port}"]}]
    (consumers,) = scrape["dns_sd_configs"]
    assert (consumers["names"], consumers["port"]) == (["consumer"], config.server.port)
    assert {"api", "consumer"} <= set(config.api.hosts)


def test_grafana_finds_what_is_mounted() -> None:
    """The folders of its settings lie in the folder that it gets."""
    target = dict(mounted())["./deploy/grafana"]
    assert SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"] == f"{target}/provisioning"
    folder = ROOT / "deploy/grafana/provisioning"
    (provider,) = yaml.safe_load((folder / "dashboards/taskrunner.yml").read_text())["providers"]
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert provider["options"]["path"] == target
    assert source["url"] == "http://prometheus:9090"
