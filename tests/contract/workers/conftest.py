"""Every contract test runs on every worker pool."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from taskrunner.consumer.processes.process_pool import ProcessPool
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.consumer.thread_pool import ThreadPool
from tests.contract.workers.bench import Bench


@pytest.fixture(
    params=[ThreadPool, WorkerProcess, partial(ProcessPool, 2)],
    ids=["ThreadPool", "WorkerProcess", "ProcessPool"],
)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Two workers."""
    bench = Bench(request.param, tmp_path)
    await bench.start()
    bench.pool.resize(2)
    yield bench
    bench.gate.open()
    await bench.pool.close()
