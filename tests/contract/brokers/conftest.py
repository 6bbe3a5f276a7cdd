"""Every contract test runs on every broker."""

from collections.abc import AsyncIterator, Iterator

import pytest
from servers.fleet import Fleet
from servers.programs import install

from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from tests.contract.brokers.harness import Backend, MemoryBackend, RabbitBackend


@pytest.fixture(scope="package")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A RabbitMQ for these tests alone: they restart it, fill its disk, and close all its connections."""
    install(["rabbitmq"])
    fleet = Fleet.create(tmp_path_factory.mktemp("node"))
    try:
        fleet.start(["rabbitmq"])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TASKRUNNER_TEST_SERVICES", str(fleet.state_file))
            yield fleet.read()["services"]["rabbitmq"]["url"]
    finally:
        fleet.stop()


@pytest.fixture(params=["memory", "rabbitmq"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend: Backend = MemoryBackend()
    if request.param == "rabbitmq":
        backend = RabbitBackend(request.getfixturevalue("rabbitmq_url"))
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
async def rabbit(rabbitmq_url: str) -> AsyncIterator[RabbitBackend]:
    backend = RabbitBackend(rabbitmq_url)
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
async def unstarted(rabbitmq_url: str) -> AsyncIterator[RabbitBackend]:
    """A backend whose proxy listens, and whose broker the test starts."""
    backend = RabbitBackend(rabbitmq_url)
    await backend.proxy.listen()
    backend.broker = RabbitBroker(backend.settings(), backend.bus)
    yield backend
    await backend.close()
