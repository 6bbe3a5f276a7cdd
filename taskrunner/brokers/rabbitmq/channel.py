"""A channel whose methods can be awaited."""

import asyncio
from collections.abc import Callable
from typing import Any

from pika.exceptions import AMQPError

from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.errors import translate
from taskrunner.domain.errors import TaskrunnerError


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
