"""Every contract test runs on every broker."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.brokers.harness import Backend, MemoryBackend, RabbitBackend


@pytest.fixture(params=["memory", "rabbitmq"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend: Backend = MemoryBackend() if request.param == "memory" else RabbitBackend()
    await backend.open()
    yield backend
    await backend.close()


@pytest.fixture
async def rabbit() -> AsyncIterator[RabbitBackend]:
    backend = RabbitBackend()
    await backend.open()
    yield backend
    await backend.close()
