"""Dashboards and alerts on a real Prometheus, which scrapes a `serve` and a `consume` on real servers."""

import math
from collections.abc import Iterator

import pytest
from servers.fleet import Fleet
from servers.programs import install

from tests.deploy.prometheus_server import Prometheus
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.queries import Query, panels
from tests.tools.waiting import wait_for

_MISSING_CONSUMER = {"TaskrunnerProcessDown", "TaskrunnerQueueWithoutConsumer"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One `serve`, with servers of its own."""
    install(["rabbitmq", "redis"])
    fleet = Fleet.create(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.start(["rabbitmq", "redis"])
        services = fleet.read()["services"]
        with Target() as target:
            deployment = Deployment(
                rabbitmq_url=services["rabbitmq"]["url"],
                redis_url=services["redis"]["url"],
                target=target,
                folder=tmp_path_factory.mktemp("deployment"),
            )
            try:
                deployment.serve()
                yield deployment
            finally:
                deployment.close()
    finally:
        fleet.stop()


@pytest.fixture(scope="module")
def consumer(deployment: Deployment) -> TaskrunnerProcess:
    return deployment.consume()


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, deployment: Deployment, consumer: TaskrunnerProcess
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with Prometheus(folder, [deployment.api.port, consumer.port]) as prometheus:
        yield prometheus


def test_every_panel_has_data(deployment: Deployment, prometheus: Prometheus) -> None:
    """While tasks succeed and fail, each query answers a number. What has no task of late answers NaN."""
    left = list(panels())
    assert left

    def all_have_answered() -> bool:
        deployment.submit(deployment.target.url("/"))
        deployment.submit(deployment.target.url("/", status=404))
        left[:] = [each for each in left if not has_data(prometheus, each)]
        return not left

    wait_for(all_have_answered, f"every panel has data; without: {left}", interval=0.5)


def has_data(prometheus: Prometheus, query: Query) -> bool:
    if query.expression.startswith("label_values("):
        metric, _, label = query.expression.removeprefix("label_values(").removesuffix(")").partition(", ")
        return bool(prometheus.values(f"count by ({label}) ({metric})"))
    expression = query.expression.replace("$__rate_interval", "30s").replace("$queue", ".*")
    return any(not math.isnan(value) for value in prometheus.values(expression))


def test_alerts_fire_when_a_consumer_is_killed_and_clear_when_it_is_back(
    deployment: Deployment, consumer: TaskrunnerProcess, prometheus: Prometheus
) -> None:
    wait_for(lambda: not prometheus.firing() & _MISSING_CONSUMER, "all is well")
    consumer.kill()
    task = deployment.submit(deployment.target.url("/"))
    wait_for(lambda: prometheus.firing() >= _MISSING_CONSUMER, "the consumer is missed", interval=0.5)
    deployment.again(consumer).wait_ready()
    assert deployment.wait_finished(task)["status"] == "succeeded"
    wait_for(lambda: not prometheus.firing() & _MISSING_CONSUMER, "the alerts have cleared", interval=0.5)
