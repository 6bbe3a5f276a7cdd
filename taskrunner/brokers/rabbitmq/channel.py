"""A channel whose methods are awaited, and that ends for one reason."""

import asyncio
from collections.abc import Callable
from typing import Any

from pika.exceptions import AMQPError

from taskrunner.brokers.rabbitmq.connection import Connection
from taskrunner.brokers.rabbitmq.errors import translate
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import TaskrunnerError

# How long a queue stays deleted before we declare it again. When RabbitMQ (3.10, measured) finds a queue of
# the same name by the time a channel hears of the deletion, it sends no basic.cancel but puts the consumer on
# the new queue, where the channel's stale state swallows every delivery: alive, and never a message again.
REDECLARE_PAUSE = 1.0


class Channel:
    """`ended` is done once the channel is closed, by whomever, and its result says why."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[TaskrunnerError] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        try:
            self.raw: Any = connection.channel(on_open_callback=lambda _: self._ready.set_result(None))
        except AMQPError as exc:
            raise translate(exc) from exc
        self.raw.add_on_close_callback(lambda _, exc: self._end(translate(exc)))

    @classmethod
    async def open(cls, connection: Connection) -> "Channel":
        channel = cls(connection)
        await channel._answer(channel._ready)
        return channel

    @property
    def number(self) -> int:
        return int(self.raw.channel_number)

    async def call(self, send: Callable[..., object], **arguments: object) -> Any:
        """Send a synchronous method, one of `raw`'s, and answer the broker's method; raises why it failed."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(frame: Any) -> None:
            if not answer.done():
                answer.set_result(frame.method)

        try:
            send(callback=answered, **arguments)
        except AMQPError as exc:
            raise translate(exc) from exc
        return await self._answer(answer)

    def close(self) -> None:
        """Close without waiting for the broker's answer. Unsettled deliveries go back to their queue."""
        if self.raw.is_open and self.connection.is_open:
            self.raw.close()

    def _end(self, reason: TaskrunnerError) -> None:
        self.connection.unlisten(self.number)  # pika gives the number to the next channel
        self.ended.set_result(reason)

    async def _answer(self, answer: "asyncio.Future[Any]") -> Any:
        await asyncio.wait((answer, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise self.ended.result()


async def redeclare(connection: Connection, topology: Topology) -> None:
    """As `declare`, for when a queue has gone; takes `REDECLARE_PAUSE` seconds and more."""
    await asyncio.sleep(REDECLARE_PAUSE)
    await declare(connection, topology)


async def declare(connection: Connection, topology: Topology) -> None:
    """Bring the topology about on a channel of its own, since the broker answers a conflict by closing it.

    Raises `TopologyConflict` or `BrokerUnavailable`.
    """
    channel = await Channel.open(connection)
    raw = channel.raw
    try:
        for exchange in topology.exchanges:
            await channel.call(raw.exchange_declare, exchange=exchange, exchange_type="direct", durable=True)
        for declaration in topology.declarations:
            await channel.call(
                raw.queue_declare, queue=declaration.name, durable=True, arguments=dict(declaration.arguments)
            )
            await channel.call(
                raw.queue_bind,
                queue=declaration.name,
                exchange=declaration.exchange,
                routing_key=declaration.key,
            )
    finally:
        channel.close()
