"""Tasks whose worker process dies."""

import os
import signal
from functools import partial
from pathlib import Path

from taskrunner.consumer.processes.crash_suspects import SPREAD
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.domain.events import TaskSettled, WorkerProcessLost
from taskrunner.domain.tasks.status import Status
from tests.flow.local_runner import LocalRunner
from tests.tools.gate import GateHandlerFactory
from tests.tools.waiting import eventually


async def test_a_task_that_kills_the_process_each_time_fails(runner: LocalRunner, tmp_path: Path) -> None:
    """The third death counts as its only attempt; the record shows the earlier ones as not counted."""
    (folder := tmp_path / "gate").mkdir()
    await runner.consumer(make_pool=partial(WorkerProcess, GateHandlerFactory(folder)))
    task_id = (await runner.submit("http://target.test/kill", max_attempts=1)).id
    for deaths in (1, 2, 3):
        await runner.heard(TaskSettled, deaths)
        await runner.later(SPREAD)
    record = await runner.record(task_id)
    assert record.status is Status.FAILED
    assert [attempt.counted for attempt in record.attempts] == [False, False, True]
    assert len(runner.told(WorkerProcessLost)) == 3


async def test_tasks_of_a_dead_process_run_again_at_once(runner: LocalRunner, tmp_path: Path) -> None:
    """They wait for no lease and keep their only attempt."""
    (folder := tmp_path / "gate").mkdir()
    factory = GateHandlerFactory(folder)
    consumer = await runner.consumer(make_pool=partial(WorkerProcess, factory))
    ids = {(await runner.submit(max_attempts=1)).id for _ in range(2)}
    await eventually(lambda: factory.begun == ids)
    (process,) = consumer.pool.processes
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await runner.heard(TaskSettled, 2)
    factory.open()
    await runner.later(0)
    await runner.heard(TaskSettled, 4)
    assert {await runner.status(task_id) for task_id in ids} == {Status.SUCCEEDED}
