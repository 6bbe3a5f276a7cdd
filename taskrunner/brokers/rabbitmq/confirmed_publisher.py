"""The publishing connection: mandatory, persistent and confirmed publishes, with a hard timeout."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.declaration import declare, redeclare
from taskrunner.brokers.rabbitmq.pending_confirms import PendingConfirms, PublishBatch
from taskrunner.brokers.rabbitmq.reconnecting_connection import ConnectionRole
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable

# The most that one write holds. Smaller writes let deliveries and timers in between.
BATCH_MESSAGES = 250
BATCH_BYTES = 1 << 20
# The most that may be unconfirmed; beyond, publishers wait. ScalingSettings memory when the broker is slow.
WINDOW_MESSAGES = 5_000
WINDOW_BYTES = 16 << 20
# A routing key that no queue is bound to.
_PROBE_KEY = "probe"


class ConfirmedPublisher(ConnectionRole):
    """Overlapping calls of `publish` share one channel; each gets its own answers."""

    def __init__(self, topology: Topology, timeout: float) -> None:
        self._topology = topology
        self._timeout = timeout
        self._channel: ConfirmChannel | None = None
        self.blocked: str | None = None

    async def attach(self, connection: AmqpConnection) -> None:
        """Make a new connection ready to publish on."""
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        await declare(connection, self._topology)
        self._channel = await ConfirmChannel.open(connection, self._topology)

    async def maintain(self, connection: AmqpConnection) -> None:
        """Declare the topology again whenever a message was returned, since a queue is then missing."""
        channel = self._channel
        while channel is not None:
            await channel.returned_or_closed.wait()
            channel.returned_or_closed.clear()
            if not channel.is_open:
                raise channel.amqp.ended.result()
            await redeclare(connection, self._topology)

    def detach(self) -> None:
        """The connection is lost: whoever waits for a confirm gets UNKNOWN."""
        self.blocked = None
        if self._channel is not None:
            self._channel.resolve_all_unknown()
            self._channel = None

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        channel = self._open_channel()
        batches: list[PublishBatch] = []
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(channel, publications, batches)
                while any(batch.unanswered for batch in batches):
                    await channel.wait_for_answers()
        except TimeoutError:
            self._drop_if_silent(channel)
        answers = [answer or PublishAnswer.UNKNOWN for batch in batches for answer in batch.answers]
        if publications and not batches:
            raise BrokerUnavailable("RabbitMQ took no publishes: the connection was lost or is full")
        return answers + [PublishAnswer.UNKNOWN] * (len(publications) - len(answers))

    async def try_publishing(self) -> None:
        """RabbitMQ reports an alarm only to connections that publish.

        It drops a message that has no binding and is not mandatory. https://www.rabbitmq.com/docs/connection-blocked
        """
        channel = self._open_channel()
        try:
            async with asyncio.timeout(self._timeout):
                await self._publish_probe(channel.amqp.connection)
        except TimeoutError as exc:
            silence = f"RabbitMQ confirmed no publish within {self._timeout:g} s"
            raise BrokerUnavailable(self._blocked_error() or silence) from exc

    def _open_channel(self) -> "ConfirmChannel":
        if self._channel is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        if error := self._blocked_error():
            raise BrokerUnavailable(error)
        return self._channel

    async def _publish_probe(self, connection: AmqpConnection) -> None:
        channel = await Channel.open(connection)
        answered = asyncio.Event()
        channel.ended.add_done_callback(lambda _: answered.set())
        try:
            await channel.call(channel.raw.confirm_delivery, ack_nack_callback=lambda _: answered.set())
            # During an alarm the first can still be confirmed, before RabbitMQ reports that we are blocked.
            for _ in range(2):
                answered.clear()
                channel.raw.basic_publish(self._topology.exchange, _PROBE_KEY, b"")
                await answered.wait()
                if channel.ended.done():
                    raise channel.ended.result()
        finally:
            channel.close()

    async def _send(
        self, channel: "ConfirmChannel", publications: Sequence[Publication], batches: list[PublishBatch]
    ) -> None:
        for part in split(publications):
            while channel.is_full:
                await channel.wait_for_answers()
            if self.blocked is not None or not channel.is_open:
                return
            batches.append(channel.write(part))
            if len(publications) > BATCH_MESSAGES:
                await asyncio.sleep(0)

    def _blocked_error(self) -> str | None:
        return None if self.blocked is None else f"RabbitMQ refuses publishes: {self.blocked}"

    def _drop_if_silent(self, channel: "ConfirmChannel") -> None:
        """Keep a broker that confirms slowly; leave one that confirms nothing at all."""
        if channel.silence >= self._timeout * 0.9 and self.blocked is None:
            channel.amqp.connection.drop(
                BrokerUnavailable(f"RabbitMQ confirmed nothing for {self._timeout:g} s")
            )

    def _on_blocked(self, _connection: object, frame: Any) -> None:
        self.blocked = str(frame.method.reason)

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self.blocked = None


class ConfirmChannel:
    """One channel in confirm mode, which receives its confirms and returns."""

    def __init__(self, channel: Channel, topology: Topology) -> None:
        self.amqp = channel
        self.returned_or_closed = asyncio.Event()
        channel.ended.add_done_callback(lambda _: self.returned_or_closed.set())
        self._loop = asyncio.get_running_loop()
        self._pending = PendingConfirms()
        self._silent_since = self._loop.time()  # the last confirm, or when there was none to wait for
        self._waiters: list[asyncio.Future[None]] = []
        self._encoders = _Encoders(channel, topology.exchange)

    @classmethod
    async def open(cls, connection: AmqpConnection, topology: Topology) -> "ConfirmChannel":
        amqp = await Channel.open(connection)
        channel = cls(amqp, topology)
        connection.add_receiver(amqp.number, channel)
        amqp.raw.add_on_return_callback(channel._on_return)
        await amqp.call(amqp.raw.confirm_delivery, ack_nack_callback=_unused)
        return channel

    @property
    def is_open(self) -> bool:
        return not self.amqp.ended.done()

    @property
    def is_full(self) -> bool:
        return self.is_open and (
            len(self._pending) >= WINDOW_MESSAGES or self._pending.size_bytes >= WINDOW_BYTES
        )

    @property
    def silence(self) -> float:
        """Seconds for which confirms have been due and none arrived."""
        return self._loop.time() - self._silent_since if len(self._pending) else 0.0

    def write(self, publications: Sequence[Publication]) -> PublishBatch:
        if not len(self._pending):
            self._silent_since = self._loop.time()
        encoders = self._encoders
        data = b"".join([encoders[item.queue].encode(item.task_id, item.body) for item in publications])
        batch = PublishBatch(publications, self._wake)
        self._pending.add(batch)
        if not self.amqp.connection.write(data):
            self.resolve_all_unknown()
        return batch

    async def wait_for_answers(self) -> None:
        """Return once a batch is complete."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def resolve_all_unknown(self) -> None:
        self._pending.resolve_all_unknown()
        self._wake()

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        self._silent_since = self._loop.time()
        self._pending.resolve(tag, multiple, PublishAnswer.CONFIRMED if accepted else PublishAnswer.REFUSED)

    def on_message(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        """Never called: nothing is consumed here."""

    def _on_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        self._pending.mark_returned(str(properties.message_id))
        self.returned_or_closed.set()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class _Encoders(dict[str, frames.PublishEncoder]):
    """The encoder of each queue, made when the first task is published to it."""

    def __init__(self, channel: Channel, exchange: str) -> None:
        self._channel = channel
        self._exchange = exchange

    def __missing__(self, queue: str) -> frames.PublishEncoder:
        frame_max = self._channel.connection.params.frame_max
        made = frames.PublishEncoder.make(self._channel.number, self._exchange, queue, frame_max)
        return self.setdefault(queue, made)


def split(publications: Sequence[Publication]) -> Iterator[Sequence[Publication]]:
    """Parts of at most `BATCH_MESSAGES` and about `BATCH_BYTES`, in order."""
    start = size = 0
    for index, publication in enumerate(publications):
        if index > start and (index - start >= BATCH_MESSAGES or size >= BATCH_BYTES):
            yield publications[start:index]
            start, size = index, 0
        size += len(publication.body)
    if start < len(publications):
        yield publications[start:]


def _unused(_frame: object) -> None:
    """pika requires a callback for confirms; ours arrive by `on_confirm`."""
