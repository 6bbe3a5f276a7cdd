"""The counts of queues by passive declaration, on a channel of its own: an error closes no other one."""

import asyncio
from collections.abc import Mapping

from taskrunner.brokers.base import QueueCounts
from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.declaration import redeclare
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.runtime.unread import read_failure


class CountQuery:
    """Concurrent callers share one answer, so a slow broker gets one query at a time."""

    def __init__(self, connection: AmqpConnection, topology: Topology, timeout: float) -> None:
        self._connection = connection
        self._topology = topology
        self._timeout = timeout
        self._channel: Channel | None = None
        self._query: asyncio.Task[Mapping[str, QueueCounts]] | None = None

    async def counts(self) -> Mapping[str, QueueCounts]:
        """The counts of each queue. Raises `BrokerUnavailable`, `TopologyConflict`."""
        if self._query is None or self._query.done():
            self._query = asyncio.create_task(self._run(), name="rabbitmq queue counts")
            self._query.add_done_callback(read_failure)
        await asyncio.wait((self._query,), timeout=self._timeout)
        if not self._query.done():
            raise BrokerUnavailable(f"RabbitMQ reported no counts of queues within {self._timeout:g} s")
        if self._query.cancelled():
            raise BrokerUnavailable("RabbitMQ was disconnected")
        return self._query.result()

    def cancel(self) -> None:
        """The connection is lost: end a query that is under way."""
        if self._query is not None:
            self._query.cancel()

    async def _run(self) -> Mapping[str, QueueCounts]:
        try:
            return await self._count()
        except BrokerUnavailable:
            # A deleted queue answers 404 and closes the channel. Declared again, it is empty.
            await redeclare(self._connection, self._topology)
            return await self._count()

    async def _count(self) -> Mapping[str, QueueCounts]:
        if self._channel is None or self._channel.ended.done():
            self._channel = await Channel.open(self._connection)
        raw = self._channel.raw
        counts: dict[str, QueueCounts] = {}
        for queue in self._topology.present_queues:
            amqp_name = self._topology.amqp_name(queue)
            answer = await self._channel.call(raw.queue_declare, queue=amqp_name, passive=True)
            # https://www.rabbitmq.com/amqp-0-9-1-reference#queue.declare-ok: both come in the same answer.
            counts[queue] = QueueCounts(ready=int(answer.message_count), consumers=int(answer.consumer_count))
        return counts
