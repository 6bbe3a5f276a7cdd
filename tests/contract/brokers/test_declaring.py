"""Declared queues: each broker has them beside the default ones, now and after a reconnect."""

from contextlib import suppress

from taskrunner.brokers.base import PublishAnswer
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from tests.contract.brokers.harness import Backend, Inbox, bodies, messages
from tests.tools.waiting import eventually

CONFIRMED, RETURNED = PublishAnswer.CONFIRMED, PublishAnswer.RETURNED
WITH_REPORTS = (*DEFAULT_QUEUES, "reports")


async def test_a_declared_queue_takes_and_delivers(backend: Backend) -> None:
    """It is counted, it dead-letters, and what it delivers names it."""
    await backend.broker.declare(WITH_REPORTS)
    sent = messages(3, "reports")
    assert list(await backend.broker.publish(sent)) == [CONFIRMED] * 3
    await backend.wait_depth(3, "reports")
    assert (await backend.broker.depths()).keys() == {*WITH_REPORTS}
    inbox, letters = Inbox(), Inbox()
    backend.broker.consume(["reports"], 10, inbox.take)
    got = await inbox.wait(3)
    assert bodies(got) == [each.body for each in sent]
    assert {each.queue for each in got} == {"reports"}
    backend.broker.ack(got[:2])
    backend.broker.reject(got[2:])
    backend.broker.consume_dead_letters(10, letters.take_dead)
    (letter,) = await letters.wait_dead(1)
    assert (letter.queue, letter.body) == ("reports", sent[2].body)


async def test_an_undeclared_queue_takes_nothing(backend: Backend) -> None:
    """The others in the same call do."""
    mixed = [*messages(1, "reports"), *messages(1, "low")]
    assert list(await backend.broker.publish(mixed)) == [RETURNED, CONFIRMED]
    assert "reports" not in await backend.broker.depths()


async def test_declarations_outlive_the_connection(backend: Backend) -> None:
    """Also those that were made while the broker was away."""
    await backend.broker.declare(WITH_REPORTS)
    inbox = Inbox()
    backend.broker.consume(["reports"], 10, inbox.take)
    await backend.unplug()
    with suppress(BrokerUnavailable):  # not raised if the broker is back by now
        await backend.broker.declare((*WITH_REPORTS, "mails"))
    backend.broker.consume(["mails"], 10, inbox.take)
    await backend.plug()
    await eventually(lambda: backend.broker.status().connected)
    await backend.broker.publish([*messages(1, "reports"), *messages(1, "mails")])
    assert {each.queue for each in await inbox.wait(2)} == {"reports", "mails"}


async def test_a_withdrawn_queue_keeps_its_messages(backend: Backend) -> None:
    """Nobody counts them; declared again, the queue delivers them."""
    await backend.broker.declare(WITH_REPORTS)
    inbox = Inbox()
    backend.broker.consume(["reports"], 1, inbox.take)
    await backend.broker.publish(messages(3, "reports"))
    await inbox.wait(1)
    backend.broker.cancel_consume(["reports"])
    backend.broker.release(inbox.deliveries)
    await backend.broker.declare(DEFAULT_QUEUES)
    assert (await backend.broker.depths()).keys() == {*DEFAULT_QUEUES}
    await backend.cut()
    await eventually(lambda: backend.broker.status().connected)
    await backend.broker.declare(WITH_REPORTS)
    await backend.wait_depth(3, "reports")
    again = Inbox()
    backend.broker.consume(["reports"], 10, again.take)
    assert len(await again.wait(3)) == 3


async def test_a_declared_queue_that_was_deleted_is_declared_again(backend: Backend) -> None:
    await backend.broker.declare(WITH_REPORTS)
    inbox = Inbox()
    backend.broker.consume(["reports"], 10, inbox.take)
    await backend.delete("reports")

    async def confirmed() -> bool:
        return list(await backend.broker.publish(messages(1, "reports"))) == [CONFIRMED]

    await eventually(confirmed)
    assert len(await inbox.wait(1)) == 1
    assert backend.broker.refused_queues == {}
