"""Consuming, settling and probing, on one connection: which subscriptions are wanted, and keeping them."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from taskrunner.brokers.base import DeadDelivery, Delivery
from taskrunner.brokers.rabbitmq.channel import Channel, declare, redeclare
from taskrunner.brokers.rabbitmq.connection import Connection
from taskrunner.brokers.rabbitmq.probe import Probe
from taskrunner.brokers.rabbitmq.reconnecting import ConnectionRole
from taskrunner.brokers.rabbitmq.subscription import Subscription, Want
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.task import Priority
from taskrunner.runtime.backoff import Backoff

# A subscription that the broker ends again sooner than this is put back with growing pauses.
MENDED_FOR_GOOD = 60.0


class Subscriber(ConnectionRole):
    """Wants outlive connections; subscriptions do not. A want is known by its queue's name."""

    def __init__(self, topology: Topology, probe_timeout: float) -> None:
        self._topology = topology
        self._probe_timeout = probe_timeout
        self._wants: dict[str, Want] = {}
        self._live: dict[str, Subscription] = {}
        self._by_epoch: dict[int, Subscription] = {}  # also those cancelled that still hold deliveries
        self._epochs = itertools.count(1)
        self._changed = asyncio.Event()
        self._probe: Probe | None = None
        self.resubscribed = 0

    async def attach(self, connection: Connection) -> None:
        """Declare, then subscribe to all that is wanted."""
        await declare(connection, self._topology)
        self._probe = Probe(connection, self._topology, self._probe_timeout)
        await self._subscribe(connection)

    async def hold(self, connection: Connection) -> None:
        """Answer new wants, and subscriptions that the broker ended."""
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        mended = loop.time()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if any(queue in self._live for queue in self._missing()):
                # The broker ended one: most likely its queue was deleted.
                if loop.time() - mended > MENDED_FOR_GOOD:
                    backoff.reset()
                await asyncio.sleep(backoff.next())
                await redeclare(connection, self._topology)
                self.resubscribed += 1
                mended = loop.time()
            await self._subscribe(connection)

    def detach(self) -> None:
        """All deliveries that are out are the broker's again."""
        if self._probe is not None:
            self._probe.abandon()
        self._probe = None
        self._live.clear()
        self._by_epoch.clear()
        self._changed.set()

    def want(self, wants: Iterable[Want]) -> None:
        """Subscribe, now and on every connection to come; replaces an earlier want of the same queue."""
        for want in wants:
            self.unwant((want.queue,))
            self._wants[want.queue] = want
        self._changed.set()

    def unwant(self, queues: Iterable[str]) -> None:
        for queue in queues:
            self._wants.pop(queue, None)
            subscription = self._live.pop(queue, None)
            if subscription is not None:
                subscription.cancel()

    def forget(self) -> None:
        """Want nothing any more."""
        self._wants.clear()

    @property
    def is_complete(self) -> bool:
        """Whether every want is served now."""
        return not self._missing()

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        return tuple(self._live.values())

    def ack(self, deliveries: Iterable[Delivery | DeadDelivery]) -> None:
        for subscription, tags in self._group(deliveries):
            subscription.ack(tags)

    def nack(self, deliveries: Iterable[Delivery | DeadDelivery], *, requeue: bool) -> None:
        for subscription, tags in self._group(deliveries):
            subscription.nack(tags, requeue=requeue)

    async def depths(self) -> Mapping[Priority, int]:
        if self._probe is None:
            raise BrokerUnavailable("RabbitMQ is not connected")
        return await self._probe.depths()

    def _missing(self) -> list[str]:
        return [queue for queue in self._wants if queue not in self._live or self._live[queue].ended.done()]

    async def _subscribe(self, connection: Connection) -> None:
        for queue in self._missing():
            want = self._wants.get(queue)
            if want is None:
                continue  # given up while we waited for another
            channel = await Channel.open(connection)
            subscription = Subscription(want, next(self._epochs), channel)
            self._by_epoch[subscription.epoch] = subscription
            channel.ended.add_done_callback(partial(self._forget, subscription))
            await subscription.begin()
            if self._wants.get(queue) is want:
                self._live[queue] = subscription
            else:
                subscription.cancel()

    def _forget(self, subscription: Subscription, _ended: object) -> None:
        self._by_epoch.pop(subscription.epoch, None)
        self._changed.set()

    def _group(
        self, deliveries: Iterable[Delivery | DeadDelivery]
    ) -> Iterable[tuple[Subscription, list[int]]]:
        """By subscription; what came by one that has ended is passed over."""
        tags: dict[int, list[int]] = {}
        for delivery in deliveries:
            tags.setdefault(delivery.epoch, []).append(delivery.tag)
        for epoch, group in tags.items():
            subscription = self._by_epoch.get(epoch)
            if subscription is not None:
                yield subscription, group
