"""A connection to RabbitMQ: dialled with a deadline, with a fast path for deliveries and confirms.

Only this module uses pika's protected methods: `_on_data_available`, `_process_frame` and
`_output_marshaled_frames` for speed, `_terminate_stream` because pika has no public way to leave a peer that
does not answer. All frames off the fast path go through pika.
"""

import asyncio
from typing import Protocol

from pika import ConnectionParameters, PlainCredentials, SSLOptions
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.frame import decode_frame

from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.errors import translate
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.domain.backends.amqp_url import read_amqp_url
from taskrunner.domain.backends.service_tls import ServiceTls
from taskrunner.domain.errors import BrokerUnavailable, ConfigInvalid, FieldError, TaskrunnerError
from taskrunner.runtime.tls_context import make_tls_context

# pika's own deadlines for the handshake end this much later than ours, whose error says more.
_PIKA_SLACK = 5.0
_CLOSE_TIMEOUT = 2.0


class Receiver(Protocol):
    """Receives the deliveries and confirms of one channel."""

    def on_message(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        """A complete delivery; `header` is the payload of its content header frame."""
        ...

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        """The broker's answer to publishes."""
        ...


class _PartialMessage:
    """A delivery whose frames have not all arrived."""

    __slots__ = ("header", "missing_bytes", "parts", "redelivered", "tag")

    def __init__(self, tag: int, redelivered: bool) -> None:
        self.tag = tag
        self.redelivered = redelivered
        self.header = b""
        self.missing_bytes = -1
        self.parts: list[bytes] = []


class AmqpConnection(AsyncioConnection):  # type: ignore[misc]  # pika is untyped
    """`ended` is done once the connection can no longer be used, and its result is the reason."""

    _frame_buffer: bytes
    bytes_received: int

    def __init__(self, parameters: ConnectionParameters) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[TaskrunnerError] = loop.create_future()
        self._handshake_done: asyncio.Future[None] = loop.create_future()
        self._receivers: dict[int, Receiver] = {}
        self._partial_messages: dict[int, _PartialMessage] = {}
        super().__init__(
            parameters,
            on_open_callback=lambda _: self._handshake_done.set_result(None),
            on_open_error_callback=lambda _, exc: self._end(translate(exc)),
            on_close_callback=lambda _, exc: self._end(translate(exc)),
            custom_ioloop=loop,
        )

    async def wait_open(self) -> None:
        """Return after the handshake; raises the reason if it failed."""
        await asyncio.wait((self._handshake_done, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            raise self.ended.result()

    @property
    def version(self) -> str:
        """The server's version, empty if it did not send one."""
        version = (self.server_properties or {}).get("version", "")
        return version.decode() if isinstance(version, bytes) else str(version)

    def add_receiver(self, channel: int, receiver: Receiver) -> None:
        """Pass the channel's deliveries and confirms to `receiver`, bypassing pika."""
        self._receivers[channel] = receiver

    def remove_receiver(self, channel: int) -> None:
        self._receivers.pop(channel, None)
        self._partial_messages.pop(channel, None)

    def write(self, data: bytes) -> bool:
        """Queue complete frames for sending; False when the connection takes none any more."""
        if not self.is_open or self.ended.done():
            return False
        self._output_marshaled_frames((data,))
        return True

    def drop(self, reason: TaskrunnerError) -> None:
        """End at once, without the closing handshake: the peer may not answer."""
        self._end(reason)
        if not self.is_closed:
            self._terminate_stream(reason)

    async def close_gracefully(self) -> None:
        """Close with the handshake, so that the broker takes its deliveries back now; drop if that hangs."""
        if self.is_open:
            self.close()
            await asyncio.wait((self.ended,), timeout=_CLOSE_TIMEOUT)
        self.drop(BrokerUnavailable("we closed the connection"))

    def _end(self, reason: TaskrunnerError) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    # The fast path

    def _on_data_available(self, data_in: bytes) -> None:
        if not self._receivers:
            super()._on_data_available(data_in)
            return
        # pika's heartbeat check takes a connection for dead when this does not grow.
        self.bytes_received += len(data_in)
        buffer = self._frame_buffer + data_in if self._frame_buffer else data_in
        offset, end = 0, len(buffer)
        while end - offset >= frames.FRAME_OVERHEAD:
            kind, channel, size = frames.HEAD.unpack_from(buffer, offset)
            stop = offset + size + frames.FRAME_OVERHEAD
            if stop > end:
                break
            receiver = self._receivers.get(channel)
            # A frame without its end octet also goes to pika, which then ends the connection.
            if (
                receiver is None
                or buffer[stop - 1] != frames.FRAME_END[0]
                or not self._take(receiver, kind, channel, buffer, offset + 7, stop - 1)
            ):
                self._process_frame(decode_frame(buffer[offset:stop])[1])
                if self.is_closed:
                    return
            offset = stop
        self._frame_buffer = buffer[offset:]

    def _take(
        self, receiver: Receiver, kind: int, channel: int, buffer: bytes, start: int, stop: int
    ) -> bool:
        """Handle a frame of the fast path, whose payload is buffer[start:stop]; False for any other frame."""
        if kind == frames.METHOD:
            return self._take_method(receiver, channel, buffer, start)
        partial = self._partial_messages.get(channel)
        if partial is None:
            return False  # part of a basic.return, which pika assembles
        if kind == frames.HEADER:
            partial.header = buffer[start:stop]
            (partial.missing_bytes,) = frames.BODY_SIZE.unpack_from(buffer, start + 4)
        elif kind == frames.BODY:
            partial.parts.append(buffer[start:stop])
            partial.missing_bytes -= stop - start
        if partial.missing_bytes == 0:
            del self._partial_messages[channel]
            body = partial.parts[0] if len(partial.parts) == 1 else b"".join(partial.parts)
            receiver.on_message(partial.tag, partial.redelivered, partial.header, body)
        return True

    def _take_method(self, receiver: Receiver, channel: int, buffer: bytes, start: int) -> bool:
        (method,) = frames.METHOD_ID.unpack_from(buffer, start)
        if method == frames.DELIVER:
            self._partial_messages[channel] = _PartialMessage(*frames.decode_deliver(buffer, start + 4))
            return True
        if method in (frames.ACK, frames.NACK):
            tag, bits = frames.TAG_AND_BIT.unpack_from(buffer, start + 4)
            receiver.on_confirm(tag, bool(bits & 1), method == frames.ACK)
            return True
        return False


async def dial(parameters: ConnectionParameters) -> AmqpConnection:
    """An open connection; raises `BrokerUnavailable` when there is none within the time limit of its URL."""
    timeout = parameters.stack_timeout - _PIKA_SLACK
    connection = AmqpConnection(parameters)
    try:
        async with asyncio.timeout(timeout):
            await connection.wait_open()
    except TimeoutError as exc:
        error = BrokerUnavailable(f"no AMQP connection after {timeout:g} s")
        connection.drop(error)
        raise error from exc
    except asyncio.CancelledError:
        connection.drop(BrokerUnavailable("we gave up connecting"))
        raise
    return connection


def connection_parameters(
    address: str, settings: RabbitSettings, *, client_name: str
) -> ConnectionParameters:
    """pika's form of an AMQP URL, whose parameters go before the settings.

    Raises `ConfigInvalid`, which does not show the URL.
    """
    try:
        url = read_amqp_url(address, ServiceTls(ca_file=settings.ca_file))
    except ValueError as exc:
        raise ConfigInvalid([FieldError(field="Rabbit.addr", message=str(exc))]) from exc
    host, port = url.place
    context = None if url.tls is None else make_tls_context(url.tls, "Rabbit")
    slack = (url.dial_timeout or settings.dial_timeout) + _PIKA_SLACK
    return ConnectionParameters(
        host=host,
        port=port,
        virtual_host=url.vhost,
        credentials=PlainCredentials(url.user, url.password),
        ssl_options=context and SSLOptions(context, (url.tls and url.tls.server_name) or host),
        heartbeat=settings.heartbeat if url.heartbeat is None else url.heartbeat,
        client_properties={"connection_name": client_name, "product": "taskrunner"},
        connection_attempts=1,
        socket_timeout=slack,
        stack_timeout=slack,
        blocked_connection_timeout=None,
    )
