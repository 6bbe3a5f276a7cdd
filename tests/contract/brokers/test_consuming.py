"""Consuming: at least once, in order, never more than the prefetch, with acks fenced by epoch."""

import asyncio

import orjson
import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import LoopFailed, ServiceLost, ServiceRestored
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from tests.contract.brokers.harness import Backend, Inbox, bodies, messages
from tests.tools.waiting import PATIENCE, eventually

ALL = list(DEFAULT_QUEUES)


async def settled(backend: Backend) -> None:
    """Wait until the broker has handled everything sent, and the deliveries that follow."""
    for _ in range(3):
        await backend.broker.depths()
        await asyncio.sleep(0)  # the memory broker delivers in the loop's next turn


async def test_acked_deliveries_are_never_redelivered(backend: Backend) -> None:
    """An ack is for good, in whatever order the deliveries are acked."""
    await backend.broker.publish(messages(10))
    inbox = Inbox()
    backend.broker.consume(ALL, 10, inbox.take)
    got = await inbox.wait(10)
    for part in ([got[7]], got[0:3], [got[4], got[3]], [got[9], got[5], got[6], got[8]]):
        backend.broker.ack(part)
    await settled(backend)
    await backend.reopen()
    assert await backend.depth() == 0


async def test_ack_of_nothing_and_double_acks_do_no_harm(backend: Backend) -> None:
    """Deliveries that were already acknowledged are ignored; the others stay."""
    await backend.broker.publish(messages(3))
    inbox = Inbox()
    backend.broker.consume(ALL, 3, inbox.take)
    got = await inbox.wait(3)
    backend.broker.ack([])
    backend.broker.ack(got[:2])
    backend.broker.ack(got[:2])
    backend.broker.release(got[:1])
    backend.broker.reject(got[1:2])
    await settled(backend)
    assert backend.broker.status().connected
    assert backend.broker.status().reconnects == 0
    await backend.reopen()
    await backend.wait_depth(1)


async def test_prefetch_limits_unacknowledged_deliveries(backend: Backend) -> None:
    """Each queue hands out its prefetch and goes on as deliveries are acked."""
    await backend.broker.publish([*messages(10, "high"), *messages(10, "low")])
    inbox = Inbox()
    backend.broker.consume(["high", "low"], 4, inbox.take)
    got = await inbox.wait(8)
    await settled(backend)
    assert len(got) == 8
    backend.broker.ack([delivery for delivery in got if delivery.queue == "high"][:3])
    await inbox.wait(11)
    await settled(backend)
    queues = [delivery.queue for delivery in got]
    assert (queues.count("high"), queues.count("low")) == (7, 4)


async def test_a_queue_is_full_while_its_prefetch_is_used_up(backend: Backend) -> None:
    """Then it may have more than it has delivered, and nobody can know what."""
    await backend.broker.publish([*messages(5, "high"), *messages(3, "low")])
    inbox = Inbox()
    assert not backend.broker.is_full("high")
    backend.broker.consume(["high", "low"], 4, inbox.take)
    got = await inbox.wait(7)
    assert (backend.broker.is_full("high"), backend.broker.is_full("low")) == (True, False)
    backend.broker.ack([delivery for delivery in got if delivery.queue == "high"][:3])
    await inbox.wait(8)
    assert not backend.broker.is_full("high")
    backend.broker.cancel_consume(["low"])
    assert not backend.broker.is_full("low")


async def test_only_requested_queues_are_consumed(backend: Backend) -> None:
    """A consumer of some queues leaves the others alone."""
    await backend.broker.publish([*messages(1, "high"), *messages(1, "medium"), *messages(1, "low")])
    inbox = Inbox()
    backend.broker.consume(["low"], 10, inbox.take)
    await inbox.wait(1)
    await settled(backend)
    assert [delivery.queue for delivery in inbox.deliveries] == ["low"]


async def test_released_delivery_is_delivered_again(backend: Backend) -> None:
    """A released message is delivered again, marked as such."""
    await backend.broker.publish(messages(1))
    inbox = Inbox()
    backend.broker.consume(ALL, 1, inbox.take)
    first = (await inbox.wait(1))[0]
    backend.broker.release([first])
    second = (await inbox.wait(2))[1]
    assert (first.redelivered, second.redelivered) == (False, True)
    assert second.body == first.body


async def test_rejected_delivery_is_a_dead_letter(backend: Backend) -> None:
    """A rejected message reaches the collector with its bytes, queue, reason and the broker's account."""
    sent = messages(2, "high")
    await backend.broker.publish(sent)
    inbox = Inbox()
    backend.broker.consume(ALL, 10, inbox.take)
    backend.broker.reject(await inbox.wait(2))
    backend.broker.consume_dead_letters(10, inbox.take_dead)
    dead = await inbox.wait_dead(2)
    assert sorted(bodies(dead)) == sorted(each.body for each in sent)
    assert {(letter.queue, letter.reason) for letter in dead} == {("high", "rejected")}
    assert {letter.message_id for letter in dead} == {each.task_id for each in sent}
    account = orjson.loads(dead[0].x_death or "")
    assert account[0]["reason"] == "rejected"
    backend.broker.ack(dead)
    await settled(backend)
    await backend.reopen()
    backend.broker.consume_dead_letters(10, inbox.take_dead)
    await settled(backend)
    assert len(inbox.dead) == 2


async def test_endless_release_ends_in_the_dead_letters(backend: Backend) -> None:
    """A message that is released again and again becomes a dead letter at the delivery limit."""
    await backend.broker.publish(messages(1))
    inbox = Inbox()
    backend.broker.consume(ALL, 1, lambda delivery: backend.broker.release([delivery]))
    backend.broker.consume_dead_letters(1, inbox.take_dead)
    dead = await inbox.wait_dead(1)
    assert dead[0].reason == "delivery_limit"


async def test_stop_returns_unacknowledged_deliveries(backend: Backend) -> None:
    """Stopping loses nothing: unacknowledged deliveries go to the next consumer."""
    await backend.broker.publish(messages(5))
    inbox = Inbox()
    backend.broker.consume(ALL, 5, inbox.take)
    backend.broker.ack((await inbox.wait(5))[:2])
    await backend.reopen()
    again = Inbox()
    backend.broker.consume(ALL, 5, again.take)
    await again.wait(3)
    assert sorted(bodies(again.deliveries)) == sorted(bodies(inbox.deliveries[2:5]))
    assert all(delivery.redelivered for delivery in again.deliveries)


async def test_cut_connection_redelivers_and_ignores_old_acks(backend: Backend) -> None:
    """After a reconnect everything unacknowledged is delivered again, and older acks are ignored."""
    await backend.broker.publish(messages(5))
    inbox = Inbox()
    backend.broker.consume(ALL, 5, inbox.take)
    old = list(await inbox.wait(5))
    await backend.cut()
    backend.broker.ack(old[:1])
    await inbox.wait(10)
    new = inbox.deliveries[5:]
    assert sorted(bodies(new)) == sorted(bodies(old))
    assert {delivery.epoch for delivery in new}.isdisjoint(delivery.epoch for delivery in old)
    backend.broker.ack(old)
    backend.broker.release(old)
    backend.broker.reject(old)
    backend.broker.ack(new[1:])
    await settled(backend)
    await backend.reopen()
    await backend.wait_depth(1)


async def test_outage_is_reported_once(backend: Backend) -> None:
    """An outage is one event and its end another, however many dials it takes."""
    await backend.unplug()
    with pytest.raises(BrokerUnavailable):
        await backend.broker.wait_ready(0.5)
    await backend.plug()
    await backend.broker.wait_ready(PATIENCE)
    kinds = [type(event) for event in backend.events]
    assert kinds == [ServiceLost, ServiceRestored]


async def test_a_queue_is_cancelled_alone_and_consumed_again(backend: Backend) -> None:
    """The other queues go on. Released messages wait, and arrive with those published meanwhile."""
    inbox = Inbox()
    backend.broker.consume(ALL, 10, inbox.take)
    await backend.broker.publish(messages(1, "high"))
    (first,) = await inbox.wait(1)
    backend.broker.cancel_consume(["high"])
    backend.broker.release([first])
    await backend.broker.publish([*messages(1, "high"), *messages(1, "low")])
    assert [each.queue for each in await inbox.wait(2)] == ["high", "low"]
    await backend.wait_depth(2, "high")
    assert backend.broker.status().consuming
    backend.broker.consume(["high"], 10, inbox.take)
    assert [each.queue for each in await inbox.wait(4)][2:] == ["high"] * 2


async def test_cancel_ends_deliveries_but_not_acks(backend: Backend) -> None:
    """After `cancel_consume` no delivery arrives, and earlier ones can be acknowledged."""
    await backend.broker.publish(messages(4))
    inbox = Inbox()
    backend.broker.consume(ALL, 2, inbox.take)
    got = list(await inbox.wait(2))
    backend.broker.cancel_consume()
    backend.broker.ack(got[:1])
    backend.broker.release(got[1:])
    await settled(backend)
    await backend.wait_depth(3)
    assert len(inbox.deliveries) == 2
    assert backend.broker.status().consuming
    backend.broker.consume(ALL, 5, inbox.take)
    await inbox.wait(5)


async def test_deleted_queue_is_consumed_again(backend: Backend) -> None:
    """A consumer whose queue was deleted resumes without help; the other queues notice nothing."""
    inbox = Inbox()
    backend.broker.consume(ALL, 5, inbox.take)
    await backend.broker.publish([*messages(1, "high"), *messages(1, "low")])
    before = list(await inbox.wait(2))
    await backend.delete("high")

    async def is_back() -> bool:
        answers = await backend.broker.publish(messages(1, "high"))
        return answers[0] == "confirmed"

    await eventually(is_back)
    await inbox.wait(3)
    await eventually(lambda: backend.broker.status().consuming)
    backend.broker.ack(before)
    backend.broker.ack(inbox.deliveries[2:])
    await settled(backend)
    assert backend.broker.status().reconnects == 0


async def test_callback_that_raises_is_reported_and_stops_nothing(backend: Backend) -> None:
    """An error in the callback becomes an event; later deliveries still arrive."""
    inbox = Inbox()

    def stumble(delivery: Delivery) -> None:
        inbox.take(delivery)
        if len(inbox.deliveries) == 1:
            raise ValueError("a bug of ours")

    backend.broker.consume(ALL, 5, stumble)
    await backend.broker.publish(messages(3))
    await inbox.wait(3)
    assert [type(event) for event in backend.events] == [LoopFailed]


async def test_subscription_made_while_away_is_active_after_the_connect(backend: Backend) -> None:
    """`consume` needs no connection: it takes effect as soon as there is one."""
    await backend.broker.publish(messages(1))
    await backend.unplug()
    inbox = Inbox()
    backend.broker.consume(ALL, 5, inbox.take)
    assert not backend.broker.status().consuming
    await backend.plug()
    await inbox.wait(1)
    await eventually(lambda: backend.broker.status().consuming)


async def test_a_queue_counts_its_subscriptions(backend: Backend) -> None:
    """Each queue has its own number, which falls to nothing when the last subscription ends."""

    async def counted(queue: str, ready: int, consumers: int) -> bool:
        counts = (await backend.broker.queue_counts())[queue]
        return (counts.ready, counts.consumers) == (ready, consumers)

    await backend.broker.publish(messages(3, "high"))
    await eventually(lambda: counted("high", 3, 0))
    inbox = Inbox()
    backend.broker.consume(["high"], 2, inbox.take)
    await inbox.wait(2)
    await eventually(lambda: counted("high", 1, 1))
    assert await counted("low", 0, 0)
    backend.broker.cancel_consume(["high"])
    backend.broker.ack(inbox.deliveries)
    await eventually(lambda: counted("high", 1, 0))
    await backend.unplug()
    with pytest.raises(BrokerUnavailable):
        await backend.broker.queue_counts()
