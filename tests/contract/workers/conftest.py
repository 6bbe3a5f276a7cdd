"""Every contract test runs on every kind of workers."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from taskrunner.consumer.crew.crew import Crew
from taskrunner.consumer.crew.crews import Crews
from taskrunner.consumer.pool import Pool
from tests.contract.workers.bench import Bench


@pytest.fixture(params=[Pool, Crew, partial(Crews, 2)], ids=["Pool", "Crew", "Crews"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Two workers."""
    bench = Bench(request.param, tmp_path)
    await bench.pool.start()
    bench.pool.resize(2)
    yield bench
    bench.gate.open()
    await bench.pool.close()
