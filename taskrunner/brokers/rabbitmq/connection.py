"""A connection to RabbitMQ: dialled with a deadline, ended for one reason, with a fast path for hot frames.

Law: only this module overrides pika's protected methods, and only three of them: `_on_data_available` and
`_output_marshaled_frames` for speed, `_terminate_stream` because pika has no public way to leave a peer that
does not answer. Whatever is not hot goes through pika.
"""

import asyncio
from typing import Any, Protocol

from pika import URLParameters
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.frame import decode_frame

from taskrunner.brokers.rabbitmq import wire
from taskrunner.brokers.rabbitmq.errors import translate
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError

# pika has deadlines of its own for the handshake; ours comes first and says more.
_PIKA_SLACK = 5.0
_POLITE_CLOSE = 2.0


class Receiver(Protocol):
    """Whoever gets a channel's hot frames."""

    def on_content(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        """A whole delivery; `header` is the payload of its content header frame."""
        ...

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """The broker's answer to publishes."""
        ...


class _Content:
    """A delivery whose frames are still coming in."""

    __slots__ = ("header", "missing", "parts", "redelivered", "tag")

    def __init__(self, tag: int, redelivered: bool) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.header = b""
        self.missing = -1
        self.parts: list[bytes] = []


class Connection(AsyncioConnection):  # type: ignore[misc]  # pika is untyped
    """`ended` is done once the connection is of no more use, and its result says why."""

    _frame_buffer: bytes
    bytes_received: int

    def __init__(self, parameters: URLParameters) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[TaskrunnerError] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._receivers: dict[int, Receiver] = {}
        self._contents: dict[int, _Content] = {}
        super().__init__(
            parameters,
            on_open_callback=lambda _: self._ready.set_result(None),
            on_open_error_callback=lambda _, exc: self._end(translate(exc)),
            on_close_callback=lambda _, exc: self._end(translate(exc)),
            custom_ioloop=loop,
        )

    async def opened(self) -> None:
        """Wait for the handshake; raises why it failed."""
        await asyncio.wait((self._ready, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            raise self.ended.result()

    @property
    def version(self) -> str:
        """The server's, empty when it does not tell."""
        told = (self.server_properties or {}).get("version", "")
        return told.decode() if isinstance(told, bytes) else str(told)

    def listen(self, channel: int, receiver: Receiver) -> None:
        """From now on the channel's deliveries and confirms go past pika to `receiver`."""
        self._receivers[channel] = receiver

    def unlisten(self, channel: int) -> None:
        self._receivers.pop(channel, None)
        self._contents.pop(channel, None)

    def write(self, frames: bytes) -> bool:
        """Queue whole frames for sending; False when the connection no longer takes any."""
        if not self.is_open or self.ended.done():
            return False
        self._output_marshaled_frames((frames,))
        return True

    def drop(self, reason: TaskrunnerError) -> None:
        """End at once, without a word to the broker: the peer may not answer."""
        self._end(reason)
        if not self.is_closed:
            self._terminate_stream(reason)

    async def leave(self) -> None:
        """End politely, so that the broker takes its deliveries back now; at once if it does not answer."""
        if self.is_open:
            self.close()
            await asyncio.wait((self.ended,), timeout=_POLITE_CLOSE)
        self.drop(BrokerUnavailable("we closed the connection"))

    def _end(self, reason: TaskrunnerError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    # pika's protected side

    def _on_data_available(self, data_in: bytes) -> None:
        if not self._receivers:
            super()._on_data_available(data_in)
            return
        # What pika's check of the heartbeats goes by: a connection without new bytes is taken for dead.
        self.bytes_received += len(data_in)
        buffer = self._frame_buffer + data_in if self._frame_buffer else data_in
        offset, end = 0, len(buffer)
        while end - offset >= wire.FRAME_OVERHEAD:
            kind, channel, size = wire.HEAD.unpack_from(buffer, offset)
            stop = offset + size + wire.FRAME_OVERHEAD
            if stop > end:
                break
            receiver = self._receivers.get(channel)
            # A frame without its end octet goes to pika as well, which ends the connection over it.
            if (
                receiver is None
                or buffer[stop - 1] != wire.FRAME_END[0]
                or not self._take(receiver, kind, channel, buffer, offset + 7, stop - 1)
            ):
                self._take_cold(buffer[offset:stop])
                if self.is_closed:
                    return
            offset = stop
        self._frame_buffer = buffer[offset:]

    def _take_cold(self, raw: bytes) -> None:
        _, decoded = decode_frame(raw)
        self._process_frame(decoded)

    def _take(
        self, receiver: Receiver, kind: int, channel: int, buffer: bytes, start: int, stop: int
    ) -> bool:
        """Handle a hot frame whose payload is buffer[start:stop]; False for any other frame."""
        if kind == wire.METHOD:
            return self._take_method(receiver, channel, buffer, start)
        content = self._contents.get(channel)
        if content is None:
            return False  # of a basic.return, which pika assembles
        if kind == wire.HEADER:
            content.header = buffer[start:stop]
            (content.missing,) = wire.BODY_SIZE.unpack_from(buffer, start + 4)
        elif kind == wire.BODY:
            content.parts.append(buffer[start:stop])
            content.missing -= stop - start
        if content.missing == 0:
            del self._contents[channel]
            body = content.parts[0] if len(content.parts) == 1 else b"".join(content.parts)
            receiver.on_content(content.tag, content.redelivered, content.header, body)
        return True

    def _take_method(self, receiver: Receiver, channel: int, buffer: bytes, start: int) -> bool:
        (method,) = wire.METHOD_ID.unpack_from(buffer, start)
        if method == wire.DELIVER:
            # short string consumer-tag, then tag and bit
            self._contents[channel] = _Content(*wire.decode_deliver(buffer, start + 4))
            return True
        if method in (wire.ACK, wire.NACK):
            tag, bits = wire.TAG_AND_BIT.unpack_from(buffer, start + 4)
            receiver.on_confirm(tag, bool(bits & 1), method == wire.ACK)
            return True
        return False


async def dial(parameters: URLParameters, timeout: float) -> Connection:
    """An open connection; raises `BrokerUnavailable` when there is none after `timeout` seconds."""
    parameters.socket_timeout = parameters.stack_timeout = timeout + _PIKA_SLACK
    connection = Connection(parameters)
    try:
        async with asyncio.timeout(timeout):
            await connection.opened()
    except TimeoutError as exc:
        error = BrokerUnavailable(f"no AMQP connection after {timeout:g} s")
        connection.drop(error)
        raise error from exc
    except asyncio.CancelledError:
        connection.drop(BrokerUnavailable("we gave up connecting"))
        raise
    return connection


def parameters_of(address: str, *, heartbeat: int, client_name: str) -> URLParameters:
    """pika's form of an AMQP URL. A heartbeat in the URL's query stands. Raises ValueError."""
    parameters: Any = URLParameters(address)
    if parameters.heartbeat is None:
        parameters.heartbeat = heartbeat
    parameters.client_properties = {"connection_name": client_name, "product": "taskrunner"}
    parameters.connection_attempts = 1
    parameters.blocked_connection_timeout = None
    return parameters
