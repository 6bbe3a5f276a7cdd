"""Publishing: one answer per publication, in order, whatever happens."""

import pytest

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.domain.errors import BrokerUnavailable
from tests.contract.brokers.harness import Backend, Inbox, bodies, messages
from tests.tools.waiting import PATIENCE, eventually

CONFIRMED, RETURNED = PublishAnswer.CONFIRMED, PublishAnswer.RETURNED


@pytest.mark.parametrize("count", [0, 1, 1_000])
async def test_batch_is_confirmed_and_delivered_in_order(backend: Backend, count: int) -> None:
    """A batch of any size gets one answer each and arrives in its order."""
    sent = messages(count)
    assert list(await backend.broker.publish(sent)) == [CONFIRMED] * count
    inbox = Inbox()
    backend.broker.consume(["medium"], count + 1, inbox.take)
    await inbox.wait(count)
    assert bodies(inbox.deliveries) == [each.body for each in sent]
    assert [delivery.message_id for delivery in inbox.deliveries] == [each.task_id for each in sent]


async def test_a_publication_reaches_its_queue_only(backend: Backend) -> None:
    """A publication reaches its queue and no other."""
    await backend.broker.publish([*messages(1, "high"), *messages(2, "low")])
    await backend.wait_depth(2, "low")
    assert dict(await backend.broker.depths()) == {"high": 1, "medium": 0, "low": 2}


@pytest.mark.parametrize("size_bytes", [0, 1, 131_064, 131_065, 1_500_000])
async def test_body_of_any_size_arrives_complete(backend: Backend, size_bytes: int) -> None:
    """Bodies are bytes: empty ones and those of several frames arrive as sent."""
    body = bytes(range(256)) * (size_bytes // 256) + b"z" * (size_bytes % 256)
    await backend.broker.publish([Publication(queue="high", body=body, task_id="t")])
    inbox = Inbox()
    backend.broker.consume(["high"], 1, inbox.take)
    await inbox.wait(1)
    assert bodies(inbox.deliveries) == [body]


async def test_deleted_queue_returns_its_publications_only(backend: Backend) -> None:
    """A publication that no queue takes is answered RETURNED; the queue is then declared again."""
    await backend.delete("high")
    mixed = [*messages(2, "high"), *messages(2, "low"), *messages(1, "high")]
    answers = await backend.broker.publish(mixed)
    assert list(answers) == [RETURNED, RETURNED, CONFIRMED, CONFIRMED, RETURNED]

    async def comes_back() -> bool:
        return list(await backend.broker.publish(messages(1, "high"))) == [CONFIRMED]

    await eventually(comes_back)


async def test_broker_that_is_away_refuses_at_once(backend: Backend) -> None:
    """Nothing blocks while the broker is away, and publishing works again when it is back."""
    await backend.unplug()
    with pytest.raises(BrokerUnavailable):
        await backend.broker.publish(messages(1))
    with pytest.raises(BrokerUnavailable):
        await backend.broker.depths()
    assert not backend.broker.status().connected
    assert backend.broker.status().error
    await backend.plug()
    await backend.broker.wait_ready(PATIENCE)
    assert list(await backend.broker.publish(messages(1))) == [CONFIRMED]
    assert backend.broker.status().reconnects >= 1


async def test_purged_queue_is_empty(backend: Backend) -> None:
    """Depths are the broker's own, so a purge shows."""
    await backend.broker.publish(messages(5))
    await backend.wait_depth(5)
    await backend.purge("medium")
    await backend.wait_depth(0)


async def test_wait_ready_times_out(backend: Backend) -> None:
    """A broker that is away raises within the timeout."""
    await backend.unplug()
    with pytest.raises(BrokerUnavailable):
        await backend.broker.wait_ready(0.3)


async def test_try_publishing_leaves_no_message(backend: Backend) -> None:
    """It succeeds where publishing works, and fails at once without a broker."""
    await backend.broker.try_publishing()
    assert set((await backend.broker.depths()).values()) == {0}
    await backend.unplug()
    with pytest.raises(BrokerUnavailable):
        await backend.broker.try_publishing()
