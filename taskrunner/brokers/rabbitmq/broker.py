"""RabbitMQ as a `Broker`: two connections, one to publish on and one for everything else.

A broker in alarm stops reading from a connection that publishes; acks on the same connection would wait
behind the publishes that it does not read.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from taskrunner.brokers.base import (
    Broker,
    BrokerStatus,
    DeadDelivery,
    Delivery,
    OnDeadDelivery,
    OnDelivery,
    Publication,
    PublishAnswer,
)
from taskrunner.brokers.rabbitmq import dead_letter, wire
from taskrunner.brokers.rabbitmq.connection import parameters_of
from taskrunner.brokers.rabbitmq.outage import SERVICE, Outage
from taskrunner.brokers.rabbitmq.publisher import Publisher
from taskrunner.brokers.rabbitmq.reconnecting import ReconnectingConnection
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.brokers.rabbitmq.subscriber import Subscriber
from taskrunner.brokers.rabbitmq.subscription import Message, Want
from taskrunner.brokers.rabbitmq.versions import version_warnings
from taskrunner.brokers.rabbitmq.watchdog import Sighting, Watchdog
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable, TopologyConflict
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.domain.task import Priority


class RabbitBroker(Broker):
    """Must be made inside the event loop that it is used on. Raises ValueError for a bad address."""

    name = SERVICE

    def __init__(self, settings: RabbitSettings, events: Events) -> None:
        _silence_pika()
        loop = asyncio.get_running_loop()
        self._events = events
        self._topology = Topology(exchange=settings.exchange, delivery_limit=settings.delivery_limit)
        self._publisher = Publisher(self._topology, settings.publish_timeout)
        self._subscriber = Subscriber(self._topology, settings.probe_timeout)
        self._outage = Outage(events, loop.time)
        self._changed = asyncio.Event()
        self._stopping = False

        def link(name: str, role: Publisher | Subscriber) -> ReconnectingConnection:
            client_name = f"{settings.client_name} {name}"
            addresses = [
                parameters_of(address, heartbeat=settings.heartbeat, client_name=client_name)
                for address in settings.addresses
            ]
            return ReconnectingConnection(
                name,
                addresses,
                role,
                dial_timeout=settings.dial_timeout,
                events=events,
                on_change=self._on_change,
            )

        self._publishing = link("publishing", self._publisher)
        self._consuming = link("consuming", self._subscriber)
        self._watchdog = Watchdog(
            settings.stall_after,
            see=self._see,
            ask=self._subscriber.depths,
            heal=self._consuming.drop,
            clock=loop.time,
            events=events,
        )

    async def start(self) -> None:
        self._stopping = False
        for link in self._links:
            link.start()
        await self._watchdog.start()

    async def wait_ready(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not self.connected:
                    for link in self._links:
                        if isinstance(link.error, TopologyConflict):
                            raise link.error
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as exc:
            raise BrokerUnavailable(self._error or f"RabbitMQ did not answer within {timeout:g} s") from exc

    async def stop(self) -> None:
        self._stopping = True
        await self._watchdog.stop()
        await asyncio.gather(*(link.stop() for link in self._links))
        self._subscriber.forget()

    @property
    def connected(self) -> bool:
        publishing, consuming = self._links
        return publishing.up and consuming.up

    def status(self) -> BrokerStatus:
        stalled = self._watchdog.verdict
        return BrokerStatus(
            connected=self.connected,
            consuming=self._subscriber.is_complete and stalled is None,
            # Both links lose their connection in one outage, which is to count once.
            reconnects=max(max(0, link.connects - 1) for link in self._links),
            blocked=self._publisher.blocked,
            error=self._error or stalled,
            warnings=version_warnings(self._consuming.version),
            details={
                "version": self._consuming.version,
                "stalls_healed": str(self._watchdog.count),
                "resubscribed": str(self._subscriber.resubscribed),
            },
        )

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        return await self._publisher.publish(publications)

    async def try_publishing(self) -> None:
        await self._publisher.try_publishing()

    def consume(self, queues: Sequence[Priority], prefetch: int, on_delivery: OnDelivery) -> None:
        self._subscriber.want(
            Want(self._topology.amqp_name(queue), prefetch, self._deliverer(queue, on_delivery))
            for queue in queues
        )

    def cancel_consume(self, queues: Sequence[Priority] = tuple(Priority)) -> None:
        self._subscriber.unwant(self._topology.amqp_name(queue) for queue in queues)

    def collect(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        def deliver(epoch: int, message: Message) -> None:
            on_dead(dead_letter.read(message, epoch, self._topology))

        self._subscriber.want((Want(self._topology.dead_queue, prefetch, self._guard(deliver)),))

    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._subscriber.ack(deliveries)

    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._subscriber.nack(deliveries, requeue=True)

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        self._subscriber.nack(deliveries, requeue=False)

    async def depths(self) -> Mapping[Priority, int]:
        return await self._subscriber.depths()

    @property
    def _links(self) -> tuple[ReconnectingConnection, ReconnectingConnection]:
        return self._publishing, self._consuming

    @property
    def _error(self) -> str | None:
        return next((str(link.error) for link in self._links if link.error is not None), None)

    def _on_change(self) -> None:
        self._changed.set()
        if not self._stopping and (self.connected or self._error is not None):
            self._outage.note(self._error)

    def _deliverer(self, queue: Priority, on_delivery: OnDelivery) -> Callable[[int, Message], None]:
        def deliver(epoch: int, message: Message) -> None:
            message_id = wire.message_id_of(message.header)
            on_delivery(Delivery(message.body, queue, message.redelivered, message_id, message.tag, epoch))

        return self._guard(deliver)

    def _guard(self, deliver: Callable[[int, Message], None]) -> Callable[[int, Message], None]:
        """A callee that raises must not end the connection: pika would take it for a broken frame."""

        def guarded(epoch: int, message: Message) -> None:
            try:
                deliver(epoch, message)
            except Exception as exc:  # noqa: BLE001 - the boundary to our callees
                self._events.emit(LoopFailed(service="rabbitmq deliveries", error=exc))

        return guarded

    def _see(self) -> Mapping[Priority, Sighting]:
        sightings = {}
        for subscription in self._subscriber.subscriptions:
            queue = self._topology.queue_of(subscription.want.queue)
            if queue is not None:
                has_credit = subscription.unacked < subscription.want.prefetch
                sightings[queue] = Sighting(subscription.last_delivery, has_credit)
        return sightings


def _silence_pika() -> None:
    """pika logs each outage several times, with tracebacks; our events tell it once. A set level stands."""
    logger = logging.getLogger("pika")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
