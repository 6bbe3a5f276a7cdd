"""Queue depths by passive declaration, on a channel of its own: its errors harm nobody."""

import asyncio
from collections.abc import Mapping

from taskrunner.brokers.rabbitmq.channel import Channel, redeclare
from taskrunner.brokers.rabbitmq.connection import Connection
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.task import Priority


class Probe:
    """Callers who ask at the same time share one answer; a slow broker has one question at a time."""

    def __init__(self, connection: Connection, topology: Topology, timeout: float) -> None:
        self._connection = connection
        self._topology = topology
        self._timeout = timeout
        self._channel: Channel | None = None
        self._asking: asyncio.Task[Mapping[Priority, int]] | None = None

    async def depths(self) -> Mapping[Priority, int]:
        """Ready messages per queue. Raises `BrokerUnavailable`, `TopologyConflict`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="rabbitmq probe")
        await asyncio.wait((self._asking,), timeout=self._timeout)
        if not self._asking.done():
            raise BrokerUnavailable(f"RabbitMQ told no queue depths within {self._timeout:g} s")
        if self._asking.cancelled():
            raise BrokerUnavailable("RabbitMQ was disconnected")
        return self._asking.result()

    def abandon(self) -> None:
        """The connection is gone, so an open question will end by itself; nobody waits for it any more."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> Mapping[Priority, int]:
        try:
            return await self._count()
        except BrokerUnavailable:
            # A queue that was deleted reads as 404 and closes the channel. It is put back, and is empty.
            await redeclare(self._connection, self._topology)
            return await self._count()

    async def _count(self) -> Mapping[Priority, int]:
        if self._channel is None or self._channel.ended.done():
            self._channel = await Channel.open(self._connection)
        raw = self._channel.raw
        depths: dict[Priority, int] = {}
        for queue in self._topology.queues:
            name = self._topology.amqp_name(queue)
            answer = await self._channel.call(raw.queue_declare, queue=name, passive=True)
            depths[queue] = int(answer.message_count)
        return depths
