"""The write concern: what an accepted task has behind it when the answer goes out."""

import asyncio
from collections.abc import Sequence

import pytest

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.domain.draft import Draft
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.events import TasksPublished
from taskrunner.domain.limits import Limits
from taskrunner.domain.status import Status
from tests.flow.house import House


def draft(**fields: object) -> Draft:
    return Draft.from_fields({"url": "http://target.test/", **fields}, Limits())


async def test_store_does_not_wait_for_the_confirm(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is in the store, its publishing is under way, and `drain` waits for that."""
    gate = asyncio.Event()
    publish = house.broker.publish

    async def publish_late(publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        await gate.wait()
        return await publish(publications)

    monkeypatch.setattr(house.broker, "publish", publish_late)
    one = await house.intake.submit(draft(write_concern="store"))
    (other,) = await house.intake.submit_many([house.intake.prepare(draft(write_concern="STORE"))])
    assert not one.published
    assert not other.published
    assert await house.status(one.id) is Status.SCHEDULED
    gate.set()
    await house.publisher.drain()
    assert await house.status(one.id) is Status.QUEUED
    assert await house.status(other.id) is Status.QUEUED


async def test_broker_is_the_default_and_waits(house: House) -> None:
    """The answer says that the broker has it."""
    assert (await house.intake.submit(draft())).published
    assert len(house.told(TasksPublished)) == 1


async def test_a_concern_that_cannot_be_kept_is_refused(house: House) -> None:
    """Nothing is written, and the error names the field and what can be kept."""
    with pytest.raises(
        TaskInvalid, match="replicated cannot be kept by this store, which can: store, broker"
    ):
        await house.intake.submit(draft(write_concern="replicated"))
    with pytest.raises(TaskInvalid, match="write_concern: must be"):
        draft(write_concern="brokr")
    assert sum((await house.store.counts()).values()) == 0
