"""Every contract test runs on every broker."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.brokers.harness import Backend, MemoryBackend, RabbitBackend


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
