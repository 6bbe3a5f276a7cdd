"""Deployments of real processes, and their logs where a test fails."""

import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest
from servers.fleet import Fleet
from servers.programs import install

from tests.system.harness.deployment import Deployment
from tests.system.harness.target import Target
from tests.tools.stores import postgres_schema

Deploy = Callable[..., Deployment]


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    with Target() as target:
        yield target


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str, redis_url: str, target: Target
) -> Iterator[Deployment]:
    """One `serve` and one `consume` with short waits, for all tests of a module that leave it whole."""
    with _deployed(rabbitmq_url, redis_url, target, tmp_path_factory.mktemp("deployment")) as deployment:
        deployment.serve()
        deployment.consume()
        yield deployment


@pytest.fixture
def deploy(tmp_path: Path, rabbitmq_url: str, redis_url: str, target: Target) -> Iterator[Deploy]:
    """Makes deployments without processes; the test starts them."""
    with contextlib.ExitStack() as stack:

        def make(*, fleet: Fleet | None = None, **settings: object) -> Deployment:
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            folder.mkdir()
            rabbitmq, redis = (_urls(fleet)) if fleet else (rabbitmq_url, redis_url)
            return stack.enter_context(_deployed(rabbitmq, redis, target, folder, **settings))

        yield make


@pytest.fixture
async def schema_url(postgres_url: str) -> AsyncIterator[str]:
    """An empty PostgreSQL schema for one test. Request it before the fixture that uses it."""
    async with postgres_schema(postgres_url) as url:
        yield url


@pytest.fixture(scope="package")
def own_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A RabbitMQ and a Redis that tests may break; `fleet` starts them again after each test."""
    install(["rabbitmq", "redis"])
    fleet = Fleet.create(tmp_path_factory.mktemp("fleet"))
    try:
        fleet.start(["rabbitmq", "redis"])
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture
def fleet(own_fleet: Fleet) -> Iterator[Fleet]:
    """`own_fleet`, whose servers run again after the test."""
    yield own_fleet
    for name in ("rabbitmq", "redis"):
        own_fleet.up(name)


def _urls(fleet: Fleet) -> tuple[str, str]:
    services = fleet.read()["services"]
    return services["rabbitmq"]["url"], services["redis"]["url"]


@contextlib.contextmanager
def _deployed(
    rabbitmq_url: str, redis_url: str, target: Target, folder: Path, **settings: object
) -> Iterator[Deployment]:
    deployment = Deployment(
        rabbitmq_url=rabbitmq_url, redis_url=redis_url, target=target, folder=folder, settings=settings
    )
    _deployments.append(deployment)
    try:
        yield deployment
    finally:
        _deployments.remove(deployment)
        deployment.close()


_deployments: list[Deployment] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Append the end of every process's log to the report of a failed test."""
    report = yield
    if report.failed:
        for deployment in _deployments:
            report.sections += [(f"log {name}", tail) for name, tail in deployment.logs()]
    return report
