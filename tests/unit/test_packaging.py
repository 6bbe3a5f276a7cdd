"""What ships beside the code: the image, the compose file and the locks."""

import configparser
import re
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskrunner.api.auth.access_settings import Auth
from taskrunner.config import Config, load
from taskrunner.domain.keys.api_key import check_secret, digest_of, new_secret

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("api", "consumer")
# It ends when it has done its work.
JOBS = {"migrate"}


def names_in(lock: str) -> dict[str, str]:
    """Locked versions by name."""
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("name", sorted(COMPOSE["services"].keys() - JOBS))
def test_every_service_can_be_waited_for_and_comes_back(name: str) -> None:
    """`depends_on: service_healthy` needs a health check, a crashed machine a restart policy."""
    service = COMPOSE["services"][name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_services_wait_for_healthy_servers(name: str) -> None:
    """Neither API nor consumer starts before the servers answer and, with PostgreSQL, the tables are made.

    A quorum queue gets a member on each node that runs when it is declared.
    """
    wanted = {
        "rabbitmq": {"condition": "service_healthy"},
        "rabbitmq-2": {"condition": "service_healthy", "required": False},
        "rabbitmq-3": {"condition": "service_healthy", "required": False},
        "redis": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully", "required": False},
    }
    assert COMPOSE["services"][name]["depends_on"] == wanted


def test_docker_waits_longer_than_the_consumer_drains() -> None:
    """Docker's SIGKILL must not come while running tasks still have time."""
    grace = yaml.safe_load((ROOT / "deploy" / "config.yaml").read_text())["Workers"]["shutdown_grace"]
    assert int(COMPOSE["services"]["consumer"]["stop_grace_period"].removesuffix("s")) > grace


def test_consumers_can_be_scaled() -> None:
    """A fixed name or a published port would let only one start."""
    assert not {"ports", "container_name", "hostname"} & COMPOSE["services"]["consumer"].keys()


def test_servers_keep_their_data() -> None:
    """A volume each, a stable node name for RabbitMQ, and a Redis that writes and never evicts."""
    services = COMPOSE["services"]
    servers = ["rabbitmq", "rabbitmq-2", "rabbitmq-3", "redis", "redis-2", "redis-3", "postgres"]
    volumes = [services[name]["volumes"][-1].partition(":")[0] for name in servers]
    assert volumes == servers
    assert set(volumes) <= COMPOSE["volumes"].keys()
    for name in servers:
        if name.startswith("rabbitmq"):
            assert services[name]["hostname"] == name
        elif name.startswith("redis"):
            *_, script, own_name, first = services[name]["command"]
            assert "--appendonly yes" in script
            assert "--maxmemory-policy noeviction" in script
            assert (own_name, first) == (name, "" if name == "redis" else "replicaof redis 6379")


def test_queues_grow_to_the_nodes_that_join() -> None:
    """Every node may lead queues. Without a size to grow to, RabbitMQ adds no members."""
    for name in ("rabbitmq", "rabbitmq-2", "rabbitmq-3"):
        (config,) = COMPOSE["services"][name]["configs"]
        assert config["target"].startswith("/etc/rabbitmq/conf.d/")
        lines = COMPOSE["configs"][config["source"]]["content"].splitlines()
        prefix = "quorum_queue.continuous_membership_reconciliation"
        assert lines == [f"{prefix}.enabled = true", f"{prefix}.target_group_size = 3"]


def test_only_the_api_and_grafana_are_published_and_only_on_loopback() -> None:
    """The default passwords are known to everybody, so no port may face a network by default."""
    published = {
        name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service
    }
    assert list(published) == ["api", "grafana"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def settings_of(name: str, environ: dict[str, str]) -> Config:
    """The configuration of one of our containers, for what the user has in `environ` or .env."""
    in_image = dict(re.findall(r"(TASKRUNNER_\w+)=(\S+)", DOCKERFILE.rpartition("\nFROM ")[2]))

    def filled(match: re.Match[str]) -> str:
        variable, default = match.groups()
        return environ.get(variable, default[1:] if default.startswith("-") else "")

    given = dict(COMPOSE["services"][name]["environment"])
    for variable, value in given.items():
        # The inner ones first: a default may hold others.
        while (text := re.sub(r"\$\{(\w+):([^{}]*)\}", filled, value)) != value:
            value = text
        given[variable] = value
    return load(ROOT / "deploy" / "config.yaml", environ=in_image | given, search=False)


@pytest.mark.parametrize("name", OURS)
def test_containers_are_reached_with_a_key(name: str) -> None:
    """They listen on all addresses, which a published port and a probe of an orchestrator need."""
    key = new_secret()
    config = settings_of(name, {"API_KEY": key})
    assert (config.api.addr, config.server.addr) == ("0.0.0.0", "0.0.0.0")
    assert [each.digest for each in config.api_keys()] == [digest_of(key)]
    assert config.api.auth is Auth.KEYS


def test_the_key_has_no_default() -> None:
    """Without one Compose starts nothing, and says where to read how to make one."""
    text = COMPOSE["services"]["api"]["environment"]["TASKRUNNER_API__KEYS"]
    assert re.fullmatch(r"\$\{API_KEY:\?[^}]+ first line of docker-compose.yml\}", text)
    assert (ROOT / "docker-compose.yml").read_text().startswith('# echo "API_KEY=tr_$(openssl rand -hex 24)"')
    check_secret(f"tr_{secrets.token_hex(24)}")
    assert settings_of("api", {}).api_keys() == ()


def test_the_image_runs_as_nobody_special() -> None:
    """The last stage ends as a fixed user that is not root."""
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    users = re.findall(r"^USER (\d+):(\d+)$", last_stage, flags=re.MULTILINE)
    assert users
    assert all(int(number) > 0 for number in users[-1])


def test_signals_reach_the_program_in_the_image() -> None:
    """A shell as PID 1 would not pass SIGTERM on."""
    assert re.search(r'^ENTRYPOINT \["taskrunner"\]$', DOCKERFILE, flags=re.MULTILINE)


def test_the_image_holds_what_was_tested() -> None:
    """Each version in the image's lock is the one of CI's lock."""
    assert names_in("runtime.txt").items() <= names_in("dev.txt").items()


@pytest.mark.parametrize("lock", ["build.txt", "compose.txt", "deploy.txt", "dev.txt", "runtime.txt"])
def test_locks_are_checked_by_hash_and_name_no_index(lock: str) -> None:
    """Each entry has a hash, and where to download from is the installing machine's choice."""
    text = (ROOT / "requirements" / lock).read_text()
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|^--(extra-)?index-url|^--find-links", text, flags=re.MULTILINE)


def test_locks_follow_setup_cfg() -> None:
    """A dependency that was added without `make lock` is missed here and not in production."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"].strip().splitlines()
    names = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in wanted if not line.startswith("#")}
    assert names <= names_in("runtime.txt").keys()
