"""Publishing: mandatory, persistent, confirmed, with a hard timeout, on a connection of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.brokers.rabbitmq import wire
from taskrunner.brokers.rabbitmq.channel import Channel, declare, redeclare
from taskrunner.brokers.rabbitmq.confirms import Confirms, Group
from taskrunner.brokers.rabbitmq.connection import Connection
from taskrunner.brokers.rabbitmq.reconnecting import ConnectionRole
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.task import Priority

# One write is at most this much. Smaller writes let deliveries and timers in between.
GROUP_MESSAGES = 250
GROUP_BYTES = 1 << 20
# What may be unconfirmed at once; beyond, publishers wait. ScalingSettings memory when the broker is slow.
WINDOW_MESSAGES = 5_000
WINDOW_BYTES = 16 << 20
# Bound to no queue.
_PROBE_KEY = "probe"


class Publisher(ConnectionRole):
    """Overlapping calls of `publish` share one channel; each gets its own answers."""

    def __init__(self, topology: Topology, timeout: float) -> None:
        self._topology = topology
        self._timeout = timeout
        self._outlet: _Outlet | None = None
        self.blocked: str | None = None

    async def attach(self, connection: Connection) -> None:
        """Be ready to publish on a new connection."""
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        await declare(connection, self._topology)
        self._outlet = await _Outlet.open(connection, self._topology)

    async def hold(self, connection: Connection) -> None:
        """Declare the topology again whenever a message came back, since then a queue is gone."""
        outlet = self._outlet
        while outlet is not None:
            await outlet.attention.wait()
            outlet.attention.clear()
            if not outlet.is_open:
                raise outlet.channel.ended.result()
            await redeclare(connection, self._topology)

    def detach(self) -> None:
        """The connection is gone: whoever waits for a confirm gets UNKNOWN."""
        self.blocked = None
        if self._outlet is not None:
            self._outlet.abandon()
            self._outlet = None

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        outlet = self._outlet
        if outlet is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        if refusal := self._refusal():
            raise BrokerUnavailable(refusal)
        groups: list[Group] = []
        try:
            async with asyncio.timeout(self._timeout):
                await self._send(outlet, publications, groups)
                while any(group.open for group in groups):
                    await outlet.progress()
        except TimeoutError:
            self._leave_if_silent(outlet)
        answers = [answer or PublishAnswer.UNKNOWN for group in groups for answer in group.answers]
        if publications and not groups:
            raise BrokerUnavailable("RabbitMQ took no publishes: the connection was lost or is full")
        return answers + [PublishAnswer.UNKNOWN] * (len(publications) - len(answers))

    async def try_publishing(self) -> None:
        """RabbitMQ tells of an alarm only who publishes; what has no binding and is not mandatory it drops.

        https://www.rabbitmq.com/docs/connection-blocked
        """
        outlet = self._outlet
        if outlet is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        if refusal := self._refusal():
            raise BrokerUnavailable(refusal)
        try:
            async with asyncio.timeout(self._timeout):
                await self._probe(outlet.channel.connection)
        except TimeoutError as exc:
            silence = f"RabbitMQ confirmed no publish within {self._timeout:g} s"
            raise BrokerUnavailable(self._refusal() or silence) from exc

    async def _probe(self, connection: Connection) -> None:
        channel = await Channel.open(connection)
        heard = asyncio.Event()
        channel.ended.add_done_callback(lambda _: heard.set())
        try:
            await channel.call(channel.raw.confirm_delivery, ack_nack_callback=lambda _: heard.set())
            # While there is an alarm the first may still be taken, and confirmed before we are told.
            for _ in range(2):
                heard.clear()
                channel.raw.basic_publish(self._topology.exchange, _PROBE_KEY, b"")
                await heard.wait()
                if channel.ended.done():
                    raise channel.ended.result()
        finally:
            channel.close()

    async def _send(
        self, outlet: "_Outlet", publications: Sequence[Publication], groups: list[Group]
    ) -> None:
        for part in split(publications):
            while outlet.is_full:
                await outlet.progress()
            if self.blocked is not None or not outlet.is_open:
                return
            groups.append(outlet.write(part))
            if len(publications) > GROUP_MESSAGES:
                await asyncio.sleep(0)

    def _refusal(self) -> str | None:
        return None if self.blocked is None else f"RabbitMQ refuses publishes: {self.blocked}"

    def _leave_if_silent(self, outlet: "_Outlet") -> None:
        """A peer that confirms slowly is left alone; one that says nothing at all is left."""
        if outlet.silence >= self._timeout * 0.9 and self.blocked is None:
            outlet.channel.connection.drop(
                BrokerUnavailable(f"RabbitMQ confirmed nothing for {self._timeout:g} s")
            )

    def _on_blocked(self, _connection: object, frame: Any) -> None:
        self.blocked = str(frame.method.reason)

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self.blocked = None


class _Outlet:
    """One channel in confirm mode, for as long as it lives. Receives its confirms."""

    def __init__(self, channel: Channel, topology: Topology) -> None:
        self.channel = channel
        self.attention = asyncio.Event()  # a message came back, or the channel is gone
        channel.ended.add_done_callback(lambda _: self.attention.set())
        self._loop = asyncio.get_running_loop()
        self._confirms = Confirms()
        self._heard = self._loop.time()  # when we last had a confirm, or nothing to wait for
        self._waiting: list[asyncio.Future[None]] = []
        frame_max = channel.connection.params.frame_max
        self._frames = {
            queue: wire.PublishFrames.to(channel.number, topology.exchange, queue.value, frame_max)
            for queue in Priority
        }

    @classmethod
    async def open(cls, connection: Connection, topology: Topology) -> "_Outlet":
        channel = await Channel.open(connection)
        outlet = cls(channel, topology)
        connection.listen(channel.number, outlet)
        channel.raw.add_on_return_callback(outlet._on_return)
        await channel.call(channel.raw.confirm_delivery, ack_nack_callback=_never)
        return outlet

    @property
    def is_open(self) -> bool:
        return not self.channel.ended.done()

    @property
    def is_full(self) -> bool:
        return self.is_open and (
            len(self._confirms) >= WINDOW_MESSAGES or self._confirms.pending_bytes >= WINDOW_BYTES
        )

    @property
    def silence(self) -> float:
        """Seconds for which confirms have been due and none came."""
        return self._loop.time() - self._heard if len(self._confirms) else 0.0

    def write(self, publications: Sequence[Publication]) -> Group:
        if not len(self._confirms):
            self._heard = self._loop.time()
        frames = self._frames
        data = b"".join([frames[item.queue].encode(item.task_id, item.body) for item in publications])
        group = Group(publications, self._wake)
        self._confirms.add(group)
        if not self.channel.connection.write(data):
            self.abandon()
        return group

    async def progress(self) -> None:
        """Wait until a group is complete."""
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiter)
        await waiter

    def abandon(self) -> None:
        self._confirms.abandon()
        self._wake()

    def on_confirm(self, tag: int, multiple: bool, accepted: bool) -> None:
        self._heard = self._loop.time()
        self._confirms.settle(tag, multiple, PublishAnswer.CONFIRMED if accepted else PublishAnswer.REFUSED)

    def on_content(self, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:
        """Nothing is ever delivered here."""

    def _on_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        self._confirms.mark_returned(str(properties.message_id))
        self.attention.set()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


def split(publications: Sequence[Publication]) -> Iterator[Sequence[Publication]]:
    """Parts of at most `GROUP_MESSAGES` and about `GROUP_BYTES`, in order."""
    start = size = 0
    for index, publication in enumerate(publications):
        if index > start and (index - start >= GROUP_MESSAGES or size >= GROUP_BYTES):
            yield publications[start:index]
            start, size = index, 0
        size += len(publication.body)
    if start < len(publications):
        yield publications[start:]


def _never(_frame: object) -> None:
    """pika wants a callback for confirms; ours come by the fast path."""
