"""What only RabbitMQ does: alarms, timeouts, broken networks and restarts."""

import asyncio
import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pika
import pytest

from taskrunner.brokers.base import Delivery, Publication, PublishAnswer
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import ServiceLost, ServiceRestored
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from tests.contract.brokers.harness import Inbox, RabbitBackend, bodies, messages
from tests.tools.proxy import Mode
from tests.tools.waiting import PATIENCE, eventually, in_time

CONFIRMED, UNKNOWN = PublishAnswer.CONFIRMED, PublishAnswer.UNKNOWN
SERVICES = Path(__file__).parents[3] / "scripts" / "services.py"


async def services(verb: str, *arguments: str) -> None:
    """Run `scripts/services.py`, which started the node under test."""
    folder = Path(os.environ["TASKRUNNER_TEST_SERVICES"]).parent
    command = [sys.executable, str(SERVICES), verb, "--dir", str(folder), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


async def control(*arguments: str) -> None:
    """rabbitmqctl on the node under test."""
    await services("ctl", "--", *arguments)


class _MillisecondHeader(pika.BasicProperties):  # type: ignore[misc]  # pika is untyped
    """Properties as a foreign client may send them: headers {"sent": timestamp}, message id "foreign"."""

    def encode(self) -> list[bytes]:
        table = b"\x04sentT" + (1_700_000_000_000).to_bytes(8, "big")
        flags = self.FLAG_HEADERS | self.FLAG_MESSAGE_ID
        return [flags.to_bytes(2, "big"), len(table).to_bytes(4, "big"), table, b"\x07foreign"]


# Networks


async def test_unanswered_publish_ends_in_time_and_the_connection_is_made_again(
    unstarted: RabbitBackend,
) -> None:
    """When answers are lost, a publish is UNKNOWN after its timeout, and the connection is made again."""
    await unstarted.start(publish_timeout=0.5)
    unstarted.proxy.mode = Mode.HALF_OPEN
    async with in_time("the publish ends by its timeout"):
        assert list(await unstarted.broker.publish(messages(3))) == [UNKNOWN] * 3
    unstarted.proxy.mode = Mode.PASS
    await eventually(lambda: unstarted.broker.status().reconnects > 0)

    async def confirms() -> bool:
        await unstarted.broker.wait_ready(PATIENCE)
        return list(await unstarted.broker.publish(messages(1))) == [CONFIRMED]

    await eventually(confirms)


async def test_slow_confirms_do_not_end_the_connection(unstarted: RabbitBackend) -> None:
    """A publish that runs out of time while confirms come keeps its connection."""
    await unstarted.start(publish_timeout=3.0)
    unstarted.proxy.slice_bytes, unstarted.proxy.delay = 4_096, 0.03
    answers = await unstarted.broker.publish(messages(3_000, size_bytes=400))
    assert set(answers) == {CONFIRMED, UNKNOWN}
    assert unstarted.broker.status().reconnects == 0


async def test_publishes_in_flight_are_unknown_when_the_connection_breaks(rabbit: RabbitBackend) -> None:
    """After a cut within a frame, every publication is answered, and the confirmed ones are there."""
    rabbit.proxy.cut_after(50_000)
    answers = list(await rabbit.broker.publish(messages(1_000, size_bytes=400)))
    assert len(answers) == 1_000
    assert UNKNOWN in answers
    await eventually(lambda: rabbit.broker.status().reconnects > 0)
    await rabbit.broker.wait_ready(PATIENCE)
    assert await rabbit.depth() >= answers.count(CONFIRMED)


async def test_dead_connection_is_found_by_heartbeats(unstarted: RabbitBackend) -> None:
    """An idle connection whose peer went silent ends after the heartbeat timeout."""
    await unstarted.start(heartbeat=1)
    unstarted.proxy.mode = Mode.BLACK_HOLE
    await eventually(lambda: not unstarted.broker.status().connected)
    unstarted.proxy.mode = Mode.PASS
    await eventually(lambda: unstarted.broker.status().connected)


async def test_live_connection_is_kept_by_heartbeats(unstarted: RabbitBackend) -> None:
    """An idle connection whose peer sends heartbeats stays up past two of pika's checks."""
    heartbeat = 3  # RabbitMQ rightly gives up a client that gets no processor for two of them
    await unstarted.start(heartbeat=heartbeat)
    unstarted.broker.consume(list(DEFAULT_QUEUES), 10, Inbox().take)
    await eventually(lambda: unstarted.broker.status().consuming)
    # pika checks every heartbeat + 5 s, and gives up at the second check without new bytes.
    await asyncio.sleep(2 * (heartbeat + 5) + 1)
    status = unstarted.broker.status()
    assert (status.connected, status.reconnects) == (True, 0)


async def test_repeated_resets_leak_nothing(rabbit: RabbitBackend) -> None:
    """After many resets there are two connections, as at the start, and everything works."""
    inbox = Inbox()
    rabbit.broker.consume(list(DEFAULT_QUEUES), 10, inbox.take)
    for _ in range(5):
        await rabbit.cut()
        await rabbit.broker.wait_ready(PATIENCE)
    await eventually(lambda: rabbit.proxy.open_connections == 2)
    await rabbit.broker.publish(messages(3))
    await inbox.wait(3)
    lost = [event for event in rabbit.events if isinstance(event, ServiceLost)]
    restored = [event for event in rabbit.events if isinstance(event, ServiceRestored)]
    assert len(lost) == len(restored) == 5


async def test_latency_and_slices_change_nothing_but_speed(rabbit: RabbitBackend) -> None:
    """Frames that arrive in pieces of seven bytes are put together."""
    rabbit.proxy.slice_bytes = 7
    inbox = Inbox()
    rabbit.broker.consume(list(DEFAULT_QUEUES), 100, inbox.take)
    sent = messages(50, size_bytes=300)
    assert set(await rabbit.broker.publish(sent)) == {CONFIRMED}
    assert bodies(await inbox.wait(50)) == [each.body for each in sent]


# The broker itself


async def test_overlapping_publishes_get_their_own_answers(rabbit: RabbitBackend) -> None:
    """Concurrent calls share the channel, and each gets its own answers."""
    calls = [rabbit.broker.publish(messages(number)) for number in range(1, 60)]
    answers = await asyncio.gather(*calls)
    assert [len(answer) for answer in answers] == list(range(1, 60))
    assert {each for answer in answers for each in answer} == {CONFIRMED}


async def test_large_batch_is_paced(rabbit: RabbitBackend) -> None:
    """A batch larger than the window of unconfirmed messages needs only one call."""
    assert set(await rabbit.broker.publish(messages(12_000))) == {CONFIRMED}
    await rabbit.wait_depth(12_000)


async def test_alarm_refuses_publishes_and_lets_acks_through(unstarted: RabbitBackend) -> None:
    """While the broker blocks publishers, publishing fails at once and consuming goes on."""
    await unstarted.start(publish_timeout=5.0)
    broker, inbox = unstarted.broker, Inbox()
    broker.consume(list(DEFAULT_QUEUES), 2, inbox.take)
    await broker.publish(messages(4))
    got = list(await inbox.wait(2))
    await control("set_disk_free_limit", "1000000000000000")
    try:
        # RabbitMQ reports an alarm to a connection that publishes; it may still take that publish.
        assert (await broker.publish(messages(1)))[0] in (CONFIRMED, UNKNOWN)
        await eventually(lambda: broker.status().blocked)
        with pytest.raises(BrokerUnavailable, match="refuses publishes"):
            await broker.publish(messages(1))
        broker.ack(got)
        await inbox.wait(4)
        assert broker.status().connected
    finally:
        await control("set_disk_free_limit", "50MB")
    await eventually(lambda: broker.status().blocked is None)
    assert list(await broker.publish(messages(1))) == [CONFIRMED]
    assert broker.status().reconnects == 0


async def test_try_publishing_finds_an_alarm(unstarted: RabbitBackend) -> None:
    """RabbitMQ reports it only to connections that publish."""
    await unstarted.start(publish_timeout=5.0)
    await control("set_disk_free_limit", "1000000000000000")
    try:
        with pytest.raises(BrokerUnavailable, match="refuses publishes"):
            await unstarted.broker.try_publishing()
    finally:
        await control("set_disk_free_limit", "50MB")
    await eventually(lambda: unstarted.broker.status().blocked is None)
    await unstarted.broker.try_publishing()


async def test_the_version_is_in_the_status(rabbit: RabbitBackend) -> None:
    """The server under test has a supported version."""
    status = rabbit.broker.status()
    assert int(status.details["version"].partition(".")[0]) in (3, 4)
    assert status.warnings == ()


async def test_connections_closed_by_an_operator_are_made_again(rabbit: RabbitBackend) -> None:
    """`rabbitmqctl close_all_connections` costs a reconnect, which counts once for both connections."""
    inbox = Inbox()
    rabbit.broker.consume(list(DEFAULT_QUEUES), 2, inbox.take)
    await control("close_all_connections", "a test")
    await eventually(lambda: all(each.connects == 2 for each in rabbit.broker._connections))
    await rabbit.broker.wait_ready(PATIENCE)
    assert rabbit.broker.status().reconnects == 1
    await rabbit.broker.publish(messages(1))
    await inbox.wait(1)


async def test_channel_closed_by_the_broker_is_opened_again(rabbit: RabbitBackend) -> None:
    """A channel error on one queue returns its deliveries and leaves the connection up."""
    inbox = Inbox()
    rabbit.broker.consume(["high", "low"], 5, inbox.take)
    await rabbit.broker.publish([*messages(1, "high"), *messages(1, "low")])
    got = list(await inbox.wait(2))
    high = next(delivery for delivery in got if delivery.queue == "high")
    low = next(delivery for delivery in got if delivery.queue == "low")
    subscription = rabbit.broker._subscriber._by_epoch[high.epoch]
    subscription._channel.raw.basic_ack(delivery_tag=4711)  # 406, as the acknowledgement timeout is
    await inbox.wait(3)
    again = inbox.deliveries[2]
    assert (again.queue, again.redelivered) == ("high", True)
    rabbit.broker.ack([low, again])
    await eventually(lambda: rabbit.broker.status().consuming)
    assert rabbit.broker.status().reconnects == 0


async def test_watchdog_repairs_a_consumer_that_gets_nothing(unstarted: RabbitBackend) -> None:
    """A queue deleted and declared again within milliseconds stops RabbitMQ's deliveries; we notice."""
    await unstarted.start(stall_after=2.0)
    inbox = Inbox()
    unstarted.broker.consume(["high"], 2, inbox.take)
    await eventually(lambda: unstarted.broker.status().consuming)
    queue = unstarted.topology.amqp_name("high")
    arguments = dict(replace(unstarted.topology, delivery_limit=3).basic_declarations[1].arguments)

    def delete_and_declare(channel: Any) -> None:
        channel.queue_delete(queue)
        channel.queue_declare(queue, durable=True, arguments=arguments)
        channel.queue_bind(queue, unstarted.topology.exchange, "high")

    await unstarted.admin(delete_and_declare)
    sent = messages(5, "high")
    await unstarted.broker.publish(sent)
    while len(inbox.deliveries) < 5:
        unstarted.broker.ack(await inbox.wait(len(inbox.deliveries) + 1))
    assert set(bodies(inbox.deliveries)) == {each.body for each in sent}


async def test_deleted_exchange_is_declared_again(rabbit: RabbitBackend) -> None:
    """Publishing to a deleted exchange is answered, and the exchange is declared again."""
    await rabbit.admin(lambda channel: channel.exchange_delete(rabbit.topology.exchange))
    assert list(await rabbit.broker.publish(messages(1))) == [UNKNOWN]
    await eventually(lambda: rabbit.broker.status().reconnects > 0)
    await rabbit.broker.wait_ready(PATIENCE)
    assert list(await rabbit.broker.publish(messages(1))) == [CONFIRMED]


async def test_foreign_headers_end_no_connection(rabbit: RabbitBackend) -> None:
    """A timestamp in milliseconds, which pika cannot decode, does no harm, even in a dead letter."""
    await rabbit.admin(
        lambda channel: channel.basic_publish(rabbit.topology.exchange, "low", b"{}", _MillisecondHeader())
    )
    inbox = Inbox()
    rabbit.broker.consume(list(DEFAULT_QUEUES), 5, inbox.take)
    rabbit.broker.consume_dead_letters(5, inbox.take_dead)
    got = await inbox.wait(1)
    assert got[0].message_id == "foreign"
    rabbit.broker.reject(got)
    dead = await inbox.wait_dead(1)
    assert (dead[0].queue, dead[0].reason, dead[0].message_id) == ("low", "rejected", "foreign")
    assert rabbit.broker.status().reconnects == 0


@pytest.mark.parametrize("how", [["--kill"], []])
async def test_restart_under_load_loses_nothing_confirmed(rabbit: RabbitBackend, how: list[str]) -> None:
    """Every publish confirmed before, during and after a restart or kill -9 of the broker is delivered."""
    broker = rabbit.broker
    confirmed: set[bytes] = set()
    delivered: set[bytes] = set()
    running = True

    def take(delivery: Delivery) -> None:
        delivered.add(delivery.body)
        broker.ack([delivery])

    async def produce() -> None:
        for number in itertools.count():
            if not running:
                return
            letter = Publication(queue="low", body=b"%d" % number, task_id=str(number))
            try:
                answers = await broker.publish([letter])
            except BrokerUnavailable:
                await asyncio.sleep(0.05)  # as a publisher would: not thousands of tries while it is away
                continue
            if answers[0] is CONFIRMED:
                confirmed.add(letter.body)

    broker.consume(list(DEFAULT_QUEUES), 50, take)
    producer = asyncio.create_task(produce())
    await eventually(lambda: len(delivered) > 100)
    await services("restart", "rabbitmq", *how)
    await broker.wait_ready(PATIENCE)
    before = len(confirmed)
    await eventually(lambda: len(confirmed) > before + 100)
    running = False
    await producer
    await eventually(lambda: confirmed <= delivered)
