"""RabbitMQ as a `Broker`: two connections, one to publish on and one for everything else.

A broker in alarm stops reading from connections that publish. Acks on the same connection would wait behind
publishes that the broker does not read.
"""

import asyncio
import logging
import re
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
    QueueCounts,
)
from taskrunner.brokers.rabbitmq.amqp_connection import connection_parameters
from taskrunner.brokers.rabbitmq.confirmed_publisher import ConfirmedPublisher
from taskrunner.brokers.rabbitmq.policy_watch import PolicyWatch
from taskrunner.brokers.rabbitmq.received_message import ReceivedMessage, to_dead_delivery, to_delivery
from taskrunner.brokers.rabbitmq.reconnecting_connection import ConnectionRole, ReconnectingConnection
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.brokers.rabbitmq.subscriber import Subscriber
from taskrunner.brokers.rabbitmq.subscription import SubscriptionRequest
from taskrunner.brokers.rabbitmq.watchdog import SubscriptionActivity, Watchdog
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable, TopologyConflict
from taskrunner.domain.events import Events, LoopFailed, ServiceLost, ServiceRestored

SERVICE = "rabbitmq"
# Versions of RabbitMQ: the first with at-least-once dead lettering, and the last that the tests have seen.
OLDEST, NEWEST = (3, 10), (4,)


class RabbitBroker(Broker):
    """Must be made inside the event loop that it is used on. Raises ValueError for a bad address."""

    name = SERVICE

    def __init__(self, settings: RabbitSettings, events: Events) -> None:
        _silence_pika()
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._events = events
        self._topology = Topology(exchange=settings.exchange, delivery_limit=settings.delivery_limit)
        self._publisher = ConfirmedPublisher(self._topology, settings.publish_timeout)
        self._subscriber = Subscriber(self._topology, settings.probe_timeout)
        self._policies = PolicyWatch(self._topology)
        self._changed = asyncio.Event()
        self._lost_at: float | None = None
        self._stopping = False
        self._publishing = self._make_connection("publishing", self._publisher)
        self._consuming = self._make_connection("consuming", self._subscriber)
        self._connections = (self._publishing, self._consuming)
        self._watchdog = Watchdog(
            settings.stall_after,
            get_activities=self._activities,
            get_depths=self.depths,
            reconnect=self._consuming.reconnect,
            clock=loop.time,
            events=events,
        )

    async def start(self) -> None:
        self._stopping = False
        for connection in self._connections:
            connection.start()
        await self._watchdog.start()

    async def wait_ready(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not self.connected:
                    for connection in self._connections:
                        if isinstance(connection.error, TopologyConflict):
                            raise connection.error
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as exc:
            raise BrokerUnavailable(self._error or f"RabbitMQ did not answer within {timeout:g} s") from exc

    async def stop(self) -> None:
        self._stopping = True
        await self._watchdog.stop()
        await asyncio.gather(*(connection.stop() for connection in self._connections))
        self._subscriber.drop_requests()

    @property
    def connected(self) -> bool:
        return self._publishing.is_up and self._consuming.is_up

    def status(self) -> BrokerStatus:
        stall = self._watchdog.persistent_stall
        return BrokerStatus(
            connected=self.connected,
            consuming=self._subscriber.all_active and stall is None,
            # One outage ends both connections and counts once.
            reconnects=max(max(0, connection.connects - 1) for connection in self._connections),
            blocked=self._publisher.blocked,
            error=self._error or stall,
            warnings=(
                *version_warnings(self._consuming.version),
                *(f"the queue {name} is not declared: {why}" for name, why in self._topology.refused.items()),
                *self._policies.warnings,
            ),
            details={
                "version": self._consuming.version,
                "stalls_healed": str(self._watchdog.stall_count),
                "resubscribed": str(self._subscriber.resubscribed),
            },
        )

    async def declare(self, queues: Sequence[str]) -> None:
        before = frozenset(self._topology.queues)
        self._topology.queues = tuple(queues)
        for gone in self._topology.refused.keys() - {*queues}:
            del self._topology.refused[gone]
        missing = [each for each in queues if each not in before or each in self._topology.refused]
        await self._subscriber.declare(missing)

    @property
    def refused_queues(self) -> Mapping[str, str]:
        return self._topology.refused

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        answers = await self._publisher.publish(publications)
        if any(answer is not PublishAnswer.CONFIRMED for answer in answers):
            self._policies.note_answers(publications, answers)
        return answers

    async def try_publishing(self) -> None:
        await self._publisher.try_publishing()

    def consume(self, queues: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> None:
        def request_for(queue: str) -> SubscriptionRequest:
            def deliver(epoch: int, message: ReceivedMessage) -> None:
                on_delivery(to_delivery(message, queue, epoch))

            amqp_name = self._topology.amqp_name(queue)
            return SubscriptionRequest(amqp_name, prefetch, self._log_errors(deliver))

        self._subscriber.subscribe(map(request_for, queues))

    def is_full(self, queue: str) -> bool:
        return self._subscriber.is_full(self._topology.amqp_name(queue))

    def cancel_consume(self, queues: Sequence[str] | None = None) -> None:
        if queues is not None:
            self._subscriber.unsubscribe(map(self._topology.amqp_name, queues))
            return
        dead = self._topology.dead_queue
        self._subscriber.unsubscribe([each for each in self._subscriber.requested if each != dead])

    def consume_dead_letters(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        def deliver(epoch: int, message: ReceivedMessage) -> None:
            dead = to_dead_delivery(message, epoch, self._topology)
            self._policies.note_dead(dead)
            on_dead(dead)

        request = SubscriptionRequest(self._topology.dead_queue, prefetch, self._log_errors(deliver))
        self._subscriber.subscribe((request,))

    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._subscriber.ack(deliveries)

    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._subscriber.nack(deliveries, requeue=True)

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        self._subscriber.nack(deliveries, requeue=False)

    async def queue_counts(self) -> Mapping[str, QueueCounts]:
        return await self._subscriber.queue_counts()

    @property
    def _error(self) -> str | None:
        errors = (connection.error for connection in self._connections)
        return next((str(error) for error in errors if error is not None), None)

    def _make_connection(self, name: str, role: ConnectionRole) -> ReconnectingConnection:
        settings = self._settings
        client_name = f"{settings.client_name} {name}"
        return ReconnectingConnection(
            name,
            [
                connection_parameters(address, settings, client_name=client_name)
                for address in settings.addresses
            ],
            role,
            events=self._events,
            on_change=self._on_change,
        )

    def _on_change(self) -> None:
        self._changed.set()
        if not self._stopping and (self.connected or self._error is not None):
            self._report_outage(self._error)

    def _report_outage(self, error: str | None) -> None:
        """Emit one event when the first connection fails and one when all are up again."""
        now = asyncio.get_running_loop().time()
        if error is not None and self._lost_at is None:
            self._lost_at = now
            self._events.emit(ServiceLost(service=SERVICE, error=error))
        elif error is None and self._lost_at is not None:
            outage, self._lost_at = now - self._lost_at, None
            self._events.emit(ServiceRestored(service=SERVICE, outage=outage))

    def _log_errors(
        self, deliver: Callable[[int, ReceivedMessage], None]
    ) -> Callable[[int, ReceivedMessage], None]:
        """An error in the callback must not end the connection: pika would take it for a broken frame."""

        def guarded(epoch: int, message: ReceivedMessage) -> None:
            try:
                deliver(epoch, message)
            except Exception as exc:  # noqa: BLE001 - the boundary to the subscriber's callback
                self._events.emit(LoopFailed(service="rabbitmq deliveries", error=exc))

        return guarded

    def _activities(self) -> Mapping[str, SubscriptionActivity]:
        activities = {}
        for subscription in self._subscriber.subscriptions:
            queue = self._topology.queue_of(subscription.request.amqp_name)
            if queue is not None:
                activities[queue] = SubscriptionActivity(subscription.last_delivery, subscription.has_credit)
        return activities


def version_warnings(version: str) -> tuple[str, ...]:
    """The warning for a server version that is not supported; none for an empty version, which is unknown."""
    found = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if not found:
        return ()
    if found < OLDEST:
        return (f"RabbitMQ is version {version}, but at least 3.10 is needed: upgrade it",)
    if found[:1] > NEWEST:
        return (f"RabbitMQ is version {version}, newer than any that this taskrunner was tested with (4.x)",)
    return ()


def _silence_pika() -> None:
    """pika logs each outage several times, with tracebacks; we emit one event. A level set before stands."""
    logger = logging.getLogger("pika")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
