"""Workers in a process of their own, beside the flow: what its deaths make of tasks."""

import os
import signal
from functools import partial
from pathlib import Path

from taskrunner.consumer.crew.crew import Crew
from taskrunner.consumer.crew.suspects import SPREAD
from taskrunner.domain.events import TaskSettled, WorkerProcessLost
from taskrunner.domain.status import Status
from tests.flow.house import House
from tests.tools.gate import GateKit


async def test_a_task_that_kills_the_process_each_time_fails(house: House, tmp_path: Path) -> None:
    """The third death counts as its only attempt, and those before are on record without counting."""
    (folder := tmp_path / "gate").mkdir()
    await house.consumer(make_pool=partial(Crew, GateKit(folder)))
    task_id = (await house.submit("http://target.test/kill", max_attempts=1)).id
    for deaths in (1, 2, 3):
        await house.heard(TaskSettled, deaths)
        await house.later(SPREAD)
    record = await house.record(task_id)
    assert record.status is Status.FAILED
    assert [attempt.counted for attempt in record.attempts] == [False, False, True]
    assert len(house.told(WorkerProcessLost)) == 3


async def test_what_a_process_had_when_it_died_runs_again_at_once(house: House, tmp_path: Path) -> None:
    """Without waiting for a lease, and without costing the task its only attempt."""
    (folder := tmp_path / "gate").mkdir()
    kit = GateKit(folder)
    consumer = await house.consumer(make_pool=partial(Crew, kit))
    ids = {(await house.submit(max_attempts=1)).id for _ in range(2)}
    await house.poll(lambda: kit.begun == ids)
    (process,) = consumer.pool.processes
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await house.heard(TaskSettled, 2)
    kit.open()
    await house.later(0)
    await house.heard(TaskSettled, 4)
    assert {await house.status(task_id) for task_id in ids} == {Status.SUCCEEDED}
