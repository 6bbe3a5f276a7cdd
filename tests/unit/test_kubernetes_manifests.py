"""The chart and the manifests made from it name only what exists, and fit the settings and the SSRF guard."""

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskrunner.cli.main import COMMANDS
from taskrunner.config import Config, load
from taskrunner.domain.targets.address import _NEVER, _SPECIAL
from taskrunner.version import __version__

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "taskrunner"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    each for each in yaml.safe_load_all((ROOT / "deploy/kubernetes/taskrunner.yaml").read_text()) if each
]
PARTS = ("api", "consumer", "migrate")
SECRETS = {
    "rabbit_addr": "amqp://taskrunner:password@rabbit.example/",
    "store_url": "postgresql://taskrunner:password@db.example/taskrunner",
    "api_keys": f"tr_{'0123456789abcdef' * 3}",
}


def one(kind: str, name: str) -> dict[str, Any]:
    (found,) = [
        each for each in OBJECTS if each["kind"] == kind and each["metadata"]["name"] == f"taskrunner-{name}"
    ]
    return found


def pod_of(part: str) -> dict[str, Any]:
    pod: dict[str, Any] = one("Job" if part == "migrate" else "Deployment", part)["spec"]["template"]["spec"]
    return pod


def config_of(part: str, folder: Path) -> Config:
    """The configuration of a pod; `folder` stands for the folders that are mounted."""
    for name, content in SECRETS.items():
        (folder / name).write_text(content)
    (config_map,) = [each for each in OBJECTS if each["kind"] == "ConfigMap"][:1]
    (folder / "config.yaml").write_text(config_map["data"]["config.yaml"])
    (container,) = pod_of(part)["containers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    for mount in ("/etc/taskrunner", "/run/secrets/taskrunner"):
        assert mount in {each["mountPath"] for each in container["volumeMounts"]}
        environ = {name: value.replace(mount, str(folder)) for name, value in environ.items()}
    return load(None, environ=environ)


@pytest.mark.parametrize("part", PARTS)
def test_each_pod_runs_a_command_with_a_valid_configuration(part: str, tmp_path: Path) -> None:
    """Every variable is a setting, and the secrets are read from files."""
    (container,) = pod_of(part)["containers"]
    assert container["args"][0] in COMMANDS
    config = config_of(part, tmp_path)
    assert config.rabbit.addr == (SECRETS["rabbit_addr"],)
    assert config.store.url == SECRETS["store_url"]
    assert len(config.api_keys()) == 1


@pytest.mark.parametrize("part", ["api", "consumer"])
def test_kubernetes_waits_longer_than_a_process_drains(part: str, tmp_path: Path) -> None:
    config, pod = config_of(part, tmp_path), pod_of(part)
    grace = config.api.shutdown_grace if part == "api" else config.workers.shutdown_grace
    pause = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] >= grace + pause + 10


@pytest.mark.parametrize("part", ["api", "consumer"])
def test_probes_and_services_ask_where_the_process_listens(part: str, tmp_path: Path) -> None:
    config = config_of(part, tmp_path)
    listeners = {"http": config.api.port, "grpc": config.grpc.port}
    wanted = listeners if part == "api" else {"http": config.server.port}
    (container,) = pod_of(part)["containers"]
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == wanted
    assert {each["name"]: each["port"] for each in one("Service", part)["spec"]["ports"]} == wanted
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"


def test_clients_may_use_the_names_of_the_service(tmp_path: Path) -> None:
    assert {"taskrunner-api", "taskrunner-api.default.svc"} <= set(config_of("api", tmp_path).api.hosts)


def test_values_have_the_defaults_of_the_settings(tmp_path: Path) -> None:
    """A default that differs would be a surprise to whoever reads docs/configuration.md."""
    config = load(None, environ={}, folder=tmp_path)
    consumer = VALUES["consumer"]
    assert VALUES["api"]["shutdownGrace"] == config.api.shutdown_grace
    assert consumer["shutdownGrace"] == config.workers.shutdown_grace
    assert (consumer["minWorkers"], consumer["maxWorkers"]) == (
        config.workers.min_workers,
        config.workers.max_workers,
    )
    assert set(consumer["autoscaling"]["queues"]) == config.queues.weights().keys()
    assert VALUES["networkPolicy"]["targetPorts"] == list(config.fetch.ports)


def test_consumers_reach_public_addresses_only() -> None:
    """What the network policy leaves out is what the SSRF guard refuses."""
    blocks = [
        peer["ipBlock"]
        for rule in one("NetworkPolicy", "consumer")["spec"]["egress"]
        for peer in rule.get("to", [])
        if "ipBlock" in peer
    ]
    refused = [ip_network(each) for each in (*_SPECIAL, *_NEVER)]
    v4 = collapse_addresses(each for each in refused if isinstance(each, IPv4Network))
    v6 = collapse_addresses(
        each for each in refused if isinstance(each, IPv6Network) and each.subnet_of(IPv6Network("2000::/3"))
    )
    assert blocks == [
        {"cidr": "0.0.0.0/0", "except": list(map(str, v4))},
        {"cidr": "2000::/3", "except": list(map(str, v6))},
    ]


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
