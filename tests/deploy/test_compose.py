"""docker-compose.yml, by Docker Compose itself, which reads files without an engine."""

import json
from typing import Any

import pytest

from tests.deploy.programs import run

DEFAULT = {"api", "consumer", "rabbitmq", "redis"}


def composed(*options: str) -> dict[str, Any]:
    """The project that Compose makes of the file."""
    environ = {"API_KEY": "tr_0123456789abcdef0123456789abcdef0123456789abcdef"}
    project: dict[str, Any] = json.loads(
        run("docker-compose", *options, "config", "--format", "json", environ=environ)
    )
    return project


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ((), set()),
        (("--profile", "monitoring"), {"prometheus", "grafana"}),
        (("--env-file", "deploy/compose/postgres.env"), {"postgres", "migrate"}),
        (
            ("--env-file", "deploy/compose/cluster.env"),
            {"rabbitmq-2", "rabbitmq-3", "redis-2", "redis-3", "sentinel-1", "sentinel-2", "sentinel-3"},
        ),
    ],
    ids=["default", "monitoring", "postgres", "cluster"],
)
def test_each_profile_adds_its_services(options: tuple[str, ...], more: set[str]) -> None:
    """Compose accepts the file, and starts what the documentation says."""
    assert composed(*options)["services"].keys() == DEFAULT | more


def test_the_servers_of_a_profile_are_those_that_taskrunner_asks() -> None:
    """The addresses are built of passwords with defaults, inside of variables with defaults."""
    environment = composed("--env-file", "deploy/compose/postgres.env")["services"]["api"]["environment"]
    assert (
        environment["TASKRUNNER_STORE__URL"] == "postgresql://taskrunner:taskrunner@postgres:5432/taskrunner"
    )
    environment = composed("--env-file", "deploy/compose/cluster.env")["services"]["api"]["environment"]
    assert environment["TASKRUNNER_REDIS__SENTINEL"] == "taskrunner"
    assert environment["TASKRUNNER_RABBIT__ADDR"].count("amqp://taskrunner:taskrunner@rabbitmq") == 3


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    run("hadolint", "Dockerfile")
