"""What only the memory broker has: faults on request, and a limit."""

from collections.abc import AsyncIterator

import pytest

from taskrunner.brokers.base import PublishAnswer
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import Events
from tests.contract.brokers.harness import Inbox, MemoryBackend, messages

CONFIRMED, REFUSED, UNKNOWN = PublishAnswer.CONFIRMED, PublishAnswer.REFUSED, PublishAnswer.UNKNOWN


@pytest.fixture
async def memory() -> AsyncIterator[MemoryBackend]:
    backend = MemoryBackend()
    await backend.open()
    yield backend
    await backend.close()


async def test_a_block_stops_publishes_and_nothing_else(memory: MemoryBackend) -> None:
    """As with RabbitMQ's alarms, the reason is reported, and deliveries and acks go on."""
    broker, inbox = memory.broker, Inbox()
    await broker.publish(messages(2))
    broker.block("no memory left")
    with pytest.raises(BrokerUnavailable, match="no memory left"):
        await broker.publish(messages(1))
    assert (broker.status().connected, broker.status().blocked) == (True, "no memory left")
    broker.consume(["medium"], 1, inbox.take)
    broker.ack((await inbox.wait(1))[:1])
    await inbox.wait(2)
    broker.unblock()
    assert list(await broker.publish(messages(1))) == [CONFIRMED]
    assert broker.status().blocked is None


@pytest.mark.parametrize(
    ("fault", "answer", "delivered"),
    [
        ("refuse_publishes", REFUSED, 0),
        ("answer_unknown_but_deliver", UNKNOWN, 2),
        ("answer_unknown_and_drop", UNKNOWN, 0),
    ],
)
async def test_a_fault_holds_until_it_is_reset(
    memory: MemoryBackend, fault: str, answer: PublishAnswer, delivered: int
) -> None:
    """Each publication gets the fault's answer, delivered or not."""
    setattr(memory.broker, fault, True)
    assert list(await memory.broker.publish(messages(2))) == [answer] * 2
    assert await memory.depth() == delivered
    setattr(memory.broker, fault, False)
    assert list(await memory.broker.publish(messages(1))) == [CONFIRMED]
    assert await memory.depth() == delivered + 1


async def test_a_disconnect_ends_a_block(memory: MemoryBackend) -> None:
    """A new connection has no alarm, and unacknowledged deliveries are delivered again."""
    broker, inbox = memory.broker, Inbox()
    broker.consume(["medium"], 1, inbox.take)
    await broker.publish(messages(1))
    await inbox.wait(1)
    broker.block()
    broker.disconnect()
    broker.reconnect()
    assert [delivery.redelivered for delivery in await inbox.wait(2)] == [False, True]
    assert list(await broker.publish(messages(1))) == [CONFIRMED]


async def test_a_full_broker_refuses_until_something_is_acked() -> None:
    """Unacknowledged and dead messages count too; within a batch the first ones fit."""
    broker, inbox = MemoryBroker(Events(), limit=3), Inbox()
    await broker.start()
    assert list(await broker.publish(messages(5))) == [CONFIRMED] * 3 + [REFUSED] * 2
    broker.consume(["medium"], 3, inbox.take)
    first, second, _ = await inbox.wait(3)
    broker.reject([second])
    assert list(await broker.publish(messages(1))) == [REFUSED]
    broker.ack([first])
    assert list(await broker.publish(messages(2))) == [CONFIRMED, REFUSED]
    await broker.stop()
