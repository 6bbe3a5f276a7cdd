"""The write concern: what an accepted task has behind it when the answer goes out."""

import asyncio
from collections.abc import Sequence

import pytest

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.domain.errors import StoreUnavailable, TaskInvalid, WriteUnconfirmed
from taskrunner.domain.events import TasksPublished
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.flow.local_runner import HOLD, LocalRunner


def draft(**fields: object) -> TaskDraft:
    return TaskDraft.from_fields({"url": "http://target.test/", **fields}, TaskLimits())


class Replicas:
    """Stands in for a store's replicas: it says what they do."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.error: StoreUnavailable | None = None
        self._confirmed = asyncio.Event()

    def confirm(self) -> None:
        self._confirmed.set()

    async def check(self) -> None:
        """All there."""

    async def wait(self, _ids: Sequence[str]) -> None:
        self.asked.set()
        if self.error is not None:
            raise self.error
        await self._confirmed.wait()


@pytest.fixture
def replicas(runner: LocalRunner, monkeypatch: pytest.MonkeyPatch) -> Replicas:
    """The runner's store has them; its intake is made anew."""
    replicas = Replicas()
    monkeypatch.setattr(runner.store, "check_replicas", replicas.check)
    monkeypatch.setattr(runner.store, "replicate", replicas.wait)
    runner.intake = runner.make_intake(runner.store, runner.publisher)
    return replicas


async def test_store_does_not_wait_for_the_confirm(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is in the store, its publishing is under way, and `drain` waits for that."""
    gate = asyncio.Event()
    publish = runner.broker.publish

    async def publish_late(publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        await gate.wait()
        return await publish(publications)

    monkeypatch.setattr(runner.broker, "publish", publish_late)
    one = await runner.intake.submit(draft(write_concern="store"))
    (other,) = await runner.intake.submit_many([runner.intake.prepare(draft(write_concern="STORE"))])
    assert not one.published
    assert not other.published
    assert await runner.status(one.id) is Status.SCHEDULED
    gate.set()
    await runner.publisher.drain()
    assert await runner.status(one.id) is Status.QUEUED
    assert await runner.status(other.id) is Status.QUEUED


async def test_broker_is_the_default_and_waits(runner: LocalRunner) -> None:
    """The answer says that the broker has it."""
    assert (await runner.intake.submit(draft())).published
    assert len(runner.told(TasksPublished)) == 1


async def test_replicated_waits_for_the_replicas(runner: LocalRunner, replicas: Replicas) -> None:
    """The answer comes after the replicas', and the broker has it, too."""
    submit = asyncio.create_task(runner.intake.submit(draft(write_concern="replicated")))
    await replicas.asked.wait()
    assert sum((await runner.store.counts()).values()) == 1
    assert not submit.done()
    assert not runner.told(TasksPublished)
    replicas.confirm()
    assert (await submit).published


async def test_a_replica_that_does_not_confirm_is_told_of(runner: LocalRunner, replicas: Replicas) -> None:
    """The submit fails, one that repeats it asks again, and the task runs once at most."""
    replicas.error = WriteUnconfirmed("0 of 1 replicas confirmed")
    for _ in range(2):
        with pytest.raises(WriteUnconfirmed):
            await runner.intake.submit(draft(write_concern="replicated"), idempotency_key="k")
    replicas.error = None
    replicas.confirm()
    submitted = await runner.intake.submit(draft(write_concern="replicated"), idempotency_key="k")
    assert not submitted.created
    await runner.later(HOLD)
    assert await runner.status(submitted.id) is Status.QUEUED
    assert (await runner.store.counts())[Status.QUEUED] == 1


async def test_a_store_that_goes_away_while_replicas_are_asked(
    runner: LocalRunner, replicas: Replicas
) -> None:
    """The task is written by then, so it is unconfirmed and not just refused."""
    replicas.error = StoreUnavailable("lost the connection")
    with pytest.raises(WriteUnconfirmed, match="lost the connection"):
        await runner.intake.submit(draft(write_concern="replicated"))
    with pytest.raises(WriteUnconfirmed):
        await runner.intake.submit_many([runner.intake.prepare(draft(write_concern="replicated"))])


async def test_other_concerns_ask_no_replica(runner: LocalRunner, replicas: Replicas) -> None:
    """They go on while the replicas are away."""
    replicas.error = WriteUnconfirmed("0 of 1 replicas confirmed")
    await runner.intake.submit(draft(write_concern="store"))
    await runner.intake.submit_many([runner.intake.prepare(draft())])
    assert not replicas.asked.is_set()


async def test_a_concern_that_cannot_be_kept_is_refused(runner: LocalRunner) -> None:
    """Nothing is written, and the error names the field and the reason."""
    with pytest.raises(TaskInvalid, match="write_concern: replicated cannot be kept"):
        await runner.intake.submit(draft(write_concern="replicated"))
    batch = [runner.intake.prepare(draft(write_concern=concern)) for concern in ("store", "replicated")]
    with pytest.raises(TaskInvalid, match="write_concern: replicated cannot be kept"):
        await runner.intake.submit_many(batch)
    with pytest.raises(TaskInvalid, match="write_concern: must be"):
        draft(write_concern="brokr")
    assert sum((await runner.store.counts()).values()) == 0
