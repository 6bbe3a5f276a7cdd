"""The consuming connection: keeps the requested subscriptions, acknowledges deliveries, asks for the counts
of queues.
"""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from taskrunner.brokers.base import DeadDelivery, Delivery, QueueCounts
from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.count_query import CountQuery
from taskrunner.brokers.rabbitmq.declaration import declare, declare_queues, redeclare
from taskrunner.brokers.rabbitmq.reconnecting_connection import ATTACH_TIMEOUT, ConnectionRole
from taskrunner.brokers.rabbitmq.subscription import Subscription, SubscriptionRequest
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.runtime.backoff import Backoff

# A subscription that the broker ends again sooner than this is renewed with growing pauses.
STABLE_AFTER = 60.0


class Subscriber(ConnectionRole):
    """Requests outlive connections; subscriptions do not. Both are known by the AMQP name of their queue."""

    def __init__(self, topology: Topology, count_timeout: float) -> None:
        self._topology = topology
        self._count_timeout = count_timeout
        self._requests: dict[str, SubscriptionRequest] = {}
        self._active: dict[str, Subscription] = {}
        self._by_epoch: dict[int, Subscription] = {}  # includes cancelled ones that still hold deliveries
        self._epochs = itertools.count(1)
        self._changed = asyncio.Event()
        self._connection: AmqpConnection | None = None
        self._count_query: CountQuery | None = None
        self.resubscribed = 0

    async def attach(self, connection: AmqpConnection) -> None:
        """Declare the topology, then subscribe to everything requested."""
        await declare(connection, self._topology)
        self._connection = connection
        self._count_query = CountQuery(connection, self._topology, self._count_timeout)
        await self._subscribe_missing(connection)

    async def maintain(self, connection: AmqpConnection) -> None:
        """Serve new requests, and renew subscriptions that the broker ended."""
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        renewed_at = loop.time()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if any(amqp_name in self._active for amqp_name in self._missing()):
                # The broker ended one: most likely its queue was deleted.
                if loop.time() - renewed_at > STABLE_AFTER:
                    backoff.reset()
                await asyncio.sleep(backoff.next())
                await redeclare(connection, self._topology)
                self.resubscribed += 1
                renewed_at = loop.time()
            await self._subscribe_missing(connection)

    def detach(self) -> None:
        """The broker has all deliveries back."""
        if self._count_query is not None:
            self._count_query.cancel()
        self._count_query = self._connection = None
        self._active.clear()
        self._by_epoch.clear()
        self._changed.set()

    async def declare(self, queues: Iterable[str]) -> None:
        """Declare queues on the present connection. Raises `BrokerUnavailable`."""
        if self._connection is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        try:
            async with asyncio.timeout(ATTACH_TIMEOUT):
                await declare_queues(self._connection, self._topology, queues)
        except TimeoutError as exc:
            raise BrokerUnavailable(f"RabbitMQ declared no queue within {ATTACH_TIMEOUT:g} s") from exc
        self._changed.set()

    def subscribe(self, requests: Iterable[SubscriptionRequest]) -> None:
        """Subscribe now and on every later connection; replaces an earlier request for the same queue."""
        for request in requests:
            self.unsubscribe((request.amqp_name,))
            self._requests[request.amqp_name] = request
        self._changed.set()

    def unsubscribe(self, amqp_names: Iterable[str]) -> None:
        for amqp_name in amqp_names:
            self._requests.pop(amqp_name, None)
            subscription = self._active.pop(amqp_name, None)
            if subscription is not None:
                subscription.cancel()

    def drop_requests(self) -> None:
        """Request nothing on later connections."""
        self._requests.clear()

    @property
    def requested(self) -> Sequence[str]:
        """The AMQP names of what is requested."""
        return tuple(self._requests)

    @property
    def all_active(self) -> bool:
        """Whether every requested subscription is active."""
        return not self._missing()

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        return tuple(self._active.values())

    def is_full(self, amqp_name: str) -> bool:
        """Whether an active subscription has used up its prefetch."""
        subscription = self._active.get(amqp_name)
        return subscription is not None and not subscription.has_credit

    def ack(self, deliveries: Iterable[Delivery | DeadDelivery]) -> None:
        for subscription, tags in self._by_subscription(deliveries):
            subscription.ack(tags)

    def nack(self, deliveries: Iterable[Delivery | DeadDelivery], *, requeue: bool) -> None:
        for subscription, tags in self._by_subscription(deliveries):
            subscription.nack(tags, requeue=requeue)

    async def queue_counts(self) -> Mapping[str, QueueCounts]:
        if self._count_query is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        return await self._count_query.counts()

    def _missing(self) -> list[str]:
        """The requested queues without an active subscription, of those that RabbitMQ has.

        It closes the channel of who subscribes to another, and the connection would be made again and again.
        """
        lacking = set(map(self._topology.amqp_name, self._topology.refused))
        return [
            amqp_name
            for amqp_name in self._requests
            if amqp_name not in lacking
            and (amqp_name not in self._active or self._active[amqp_name].ended.done())
        ]

    async def _subscribe_missing(self, connection: AmqpConnection) -> None:
        for amqp_name in self._missing():
            request = self._requests.get(amqp_name)
            if request is None:
                continue  # withdrawn while another subscription started
            channel = await Channel.open(connection)
            subscription = Subscription(request, next(self._epochs), channel)
            self._by_epoch[subscription.epoch] = subscription
            channel.ended.add_done_callback(partial(self._on_ended, subscription))
            await subscription.start()
            if self._requests.get(amqp_name) is request:
                self._active[amqp_name] = subscription
            else:
                subscription.cancel()

    def _on_ended(self, subscription: Subscription, _ended: object) -> None:
        self._by_epoch.pop(subscription.epoch, None)
        self._changed.set()

    def _by_subscription(
        self, deliveries: Iterable[Delivery | DeadDelivery]
    ) -> Iterable[tuple[Subscription, list[int]]]:
        """The tags of each subscription; deliveries of one that has ended are ignored."""
        tags: dict[int, list[int]] = {}
        for delivery in deliveries:
            tags.setdefault(delivery.epoch, []).append(delivery.tag)
        for epoch, group in tags.items():
            subscription = self._by_epoch.get(epoch)
            if subscription is not None:
                yield subscription, group
