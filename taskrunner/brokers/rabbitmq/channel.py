"""A channel whose methods can be awaited, and the declaration of the topology."""

import asyncio
from collections.abc import Callable
from typing import Any

from pika.exceptions import AMQPError

from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.errors import AccessRefused, translate
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError

# How long a queue stays deleted before we declare it again. If a queue of the same name exists by the time
# that RabbitMQ (3.10, measured) tells a channel of the deletion, RabbitMQ sends no basic.cancel but moves the
# consumer to the new queue, where the channel's stale state swallows every delivery.
REDECLARE_PAUSE = 1.0


class Channel:
    """`ended` is done once the channel is closed, by either side, and its result is the reason."""

    def __init__(self, connection: AmqpConnection) -> None:
        self.connection = connection
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[TaskrunnerError] = loop.create_future()
        self._opened: asyncio.Future[None] = loop.create_future()
        try:
            self.raw: Any = connection.channel(on_open_callback=lambda _: self._opened.set_result(None))
        except AMQPError as exc:
            raise translate(exc) from exc
        self.raw.add_on_close_callback(lambda _, exc: self._end(translate(exc)))

    @classmethod
    async def open(cls, connection: AmqpConnection) -> "Channel":
        channel = cls(connection)
        await channel._wait_for(channel._opened)
        return channel

    @property
    def number(self) -> int:
        return int(self.raw.channel_number)

    async def call(self, send: Callable[..., object], **arguments: object) -> Any:
        """Send a synchronous method of `raw` and return the answer. Raises if the channel ends first."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(frame: Any) -> None:
            if not answer.done():
                answer.set_result(frame.method)

        try:
            send(callback=answered, **arguments)
        except AMQPError as exc:
            raise translate(exc) from exc
        return await self._wait_for(answer)

    def close(self) -> None:
        """Close without waiting for the broker's answer. Unacknowledged deliveries go back to their queue."""
        if self.raw.is_open and self.connection.is_open:
            self.raw.close()

    def _end(self, reason: TaskrunnerError) -> None:
        self.connection.remove_receiver(self.number)  # pika gives the number to the next channel
        self.ended.set_result(reason)

    async def _wait_for(self, answer: "asyncio.Future[Any]") -> Any:
        await asyncio.wait((answer, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise self.ended.result()


async def redeclare(connection: AmqpConnection, topology: Topology) -> None:
    """Declare after `REDECLARE_PAUSE` seconds, because a queue was deleted."""
    await asyncio.sleep(REDECLARE_PAUSE)
    await declare(connection, topology)


async def declare(connection: AmqpConnection, topology: Topology) -> None:
    """Declare the topology on a channel of its own, since the broker closes the channel upon a conflict.

    A user without the right to configure works with what is declared already, since passive declarations
    need no right: https://www.rabbitmq.com/docs/access-control#authorisation. Raises `TopologyConflict`,
    `AccessRefused` or `BrokerUnavailable`.
    """
    channel = await Channel.open(connection)
    try:
        await _declare(channel, topology)
    except AccessRefused as exc:
        await _check_declared(connection, topology, exc)
    finally:
        channel.close()


async def _declare(channel: Channel, topology: Topology) -> None:
    raw = channel.raw
    for exchange in topology.exchanges:
        await channel.call(raw.exchange_declare, exchange=exchange, exchange_type="direct", durable=True)
    for declaration in topology.declarations:
        await channel.call(
            raw.queue_declare, queue=declaration.name, durable=True, arguments=dict(declaration.arguments)
        )
        await channel.call(
            raw.queue_bind, queue=declaration.name, exchange=declaration.exchange, routing_key=declaration.key
        )


async def _check_declared(connection: AmqpConnection, topology: Topology, refusal: AccessRefused) -> None:
    """Raises `AccessRefused` unless every exchange and queue exists."""
    channel = await Channel.open(connection)
    raw = channel.raw
    try:
        for exchange in topology.exchanges:
            await channel.call(raw.exchange_declare, exchange=exchange, passive=True)
        for declaration in topology.declarations:
            await channel.call(raw.queue_declare, queue=declaration.name, passive=True)
    except BrokerUnavailable as exc:
        raise AccessRefused(f"{refusal}; {exc}; {topology.rights}") from exc
    finally:
        channel.close()
