"""A broker inside this process: for the embedded mode, and for tests that need faults on request.

It keeps every promise of the seam except durability: its messages end with the process, and the relay
publishes them again from the store.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

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
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import Events, LoopFailed, ServiceLost, ServiceRestored
from taskrunner.domain.queues.queue import DEFAULT_QUEUES

SERVICE = "memory broker"
_DELIVERY_LIMIT = Topology().delivery_limit


@dataclass(slots=True, eq=False)
class _QueuedMessage:
    body: bytes
    queue: str
    message_id: str
    deliveries: int = 0
    death_reason: str = ""


@dataclass(slots=True, eq=False)
class _Queue:
    """`deliver` is None while nobody subscribes. `unacked` counts deliveries.

    `epoch` rises with each subscription and connection, as the seam demands.
    """

    epoch: int
    ready: deque[_QueuedMessage] = field(default_factory=deque)
    unacked: int = 0
    prefetch: int = 0
    deliver: Callable[[_QueuedMessage, int], None] | None = None


class MemoryBroker(Broker):
    """Holds at most `limit` messages in all; publishes beyond are refused.

    Faults for tests: `disconnect`, `reconnect`, `block`, `unblock`, `lose`, `delete`, and four attributes
    that stay in force until they are reset.
    """

    name = SERVICE
    durable = False

    def __init__(
        self, events: Events, *, limit: int = 1_000_000, delivery_limit: int = _DELIVERY_LIMIT
    ) -> None:
        self._events = events
        self._limit = limit
        self._delivery_limit = delivery_limit
        self._epochs = itertools.count(1)
        self._queues = {queue: _Queue(next(self._epochs)) for queue in DEFAULT_QUEUES}
        self._declared: Sequence[str] = DEFAULT_QUEUES
        self._dead_letters = _Queue(next(self._epochs))
        self._unacked: dict[int, tuple[_Queue, _QueuedMessage]] = {}
        self._tags = itertools.count(1)
        self._size = 0
        self._connected = asyncio.Event()
        self._connects = 0
        self._reachable = True
        self._lost_at: float | None = None
        self._blocked: str | None = None
        self._deleted: set[str] = set()
        self._delivery_scheduled = False
        self.refuse_publishes = False
        self.refuse_queues: frozenset[str] = frozenset()
        self.answer_unknown_but_deliver = False
        self.answer_unknown_and_drop = False

    # The seam

    async def start(self) -> None:
        if self._reachable:
            self._connect()

    async def wait_ready(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError as exc:
            raise BrokerUnavailable("the memory broker is disconnected") from exc

    async def stop(self) -> None:
        self._drop_connection()
        for queue in self._all_queues:
            queue.deliver = None

    @property
    def connected(self) -> bool:
        return self._connected.is_set()

    def status(self) -> BrokerStatus:
        connected = self.connected
        subscribed = any(queue.deliver for queue in self._all_queues)
        return BrokerStatus(
            connected=connected,
            consuming=connected or not subscribed,
            reconnects=max(0, self._connects - 1),
            blocked=self._blocked,
            error=None if connected else "disconnected",
        )

    async def declare(self, queues: Sequence[str]) -> None:
        for queue in queues:
            if queue not in self._queues and queue not in self.refuse_queues:
                self._queues[queue] = _Queue(next(self._epochs))
        self._declared = tuple(queues)
        self._raise_if_disconnected()

    @property
    def refused_queues(self) -> Mapping[str, str]:
        return {queue: "refused by a test" for queue in self._declared if queue not in self._queues}

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        await self.try_publishing()
        answers = [self._enqueue(publication) for publication in publications]
        self._deleted.difference_update({publication.queue for publication in publications})
        self._schedule_delivery()
        return answers

    async def try_publishing(self) -> None:
        self._raise_if_disconnected()
        if self._blocked is not None:
            raise BrokerUnavailable(f"the memory broker refuses publishes: {self._blocked}")

    def consume(self, queues: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> None:
        def deliver(message: _QueuedMessage, tag: int) -> None:
            redelivered = message.deliveries > 1
            epoch = self._queues[message.queue].epoch
            on_delivery(Delivery(message.body, message.queue, redelivered, message.message_id, tag, epoch))

        for queue in queues:
            self._subscribe(self._queues[queue], prefetch, deliver)

    def is_full(self, queue: str) -> bool:
        wanted = self._queues.get(queue)
        return wanted is not None and wanted.deliver is not None and wanted.unacked >= wanted.prefetch

    def cancel_consume(self, queues: Sequence[str] | None = None) -> None:
        for queue in self._queues if queues is None else queues:
            self._queues[queue].deliver = None

    def consume_dead_letters(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        def deliver(message: _QueuedMessage, tag: int) -> None:
            x_death = [{"queue": message.queue, "reason": message.death_reason, "count": 1}]
            on_dead(
                DeadDelivery(
                    body=message.body,
                    queue=message.queue,
                    reason=message.death_reason,
                    message_id=message.message_id,
                    x_death=orjson.dumps(x_death).decode(),
                    tag=tag,
                    epoch=self._dead_letters.epoch,
                )
            )

        self._subscribe(self._dead_letters, prefetch, deliver)

    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._size -= len(self._take_unacked(deliveries))
        self._schedule_delivery()

    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._return_to_queue(self._take_unacked(deliveries))
        self._schedule_delivery()

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        for _, message in self._take_unacked(deliveries):
            self._dead_letter(message, "rejected")
        self._schedule_delivery()

    async def queue_counts(self) -> Mapping[str, QueueCounts]:
        self._raise_if_disconnected()
        return {
            name: QueueCounts(
                ready=len(self._queues[name].ready), consumers=int(self._queues[name].deliver is not None)
            )
            for name in self._declared
            if name in self._queues
        }

    # Faults

    def disconnect(self, error: str = "disconnected by a test") -> None:
        """Lose the connection until `reconnect`; unacknowledged deliveries go back to their queue."""
        self._reachable = False
        if self._connected.is_set():
            self._lost_at = asyncio.get_running_loop().time()
            self._events.emit(ServiceLost(service=SERVICE, error=error))
        self._drop_connection()

    def reconnect(self) -> None:
        self._reachable = True
        self._connect()
        if self._lost_at is not None:
            outage, self._lost_at = asyncio.get_running_loop().time() - self._lost_at, None
            self._events.emit(ServiceRestored(service=SERVICE, outage=outage))

    def block(self, reason: str = "blocked by a test") -> None:
        """Act as during an alarm of RabbitMQ: publishes fail, deliveries and acks go on."""
        self._blocked = reason

    def unblock(self) -> None:
        self._blocked = None

    def dead_letter_ready(self, queue: str, reason: str) -> None:
        """Dead-letter the ready messages, as a policy does: `expired` or `maxlen`."""
        ready = self._queues[queue].ready
        while ready:
            self._dead_letter(ready.popleft(), reason)
        self._schedule_delivery()

    def lose(self, queue: str) -> int:
        """Drop the ready messages of a queue, as a purge does, and return their number."""
        ready = self._queues[queue].ready
        lost = len(ready)
        ready.clear()
        self._size -= lost
        return lost

    def delete(self, queue: str) -> int:
        """As `lose`; the next call of `publish` with the queue also gets RETURNED for it."""
        self._deleted.add(queue)
        return self.lose(queue)

    # Inside

    @property
    def _all_queues(self) -> Iterable[_Queue]:
        return (*self._queues.values(), self._dead_letters)

    def _connect(self) -> None:
        if not self._connected.is_set():
            self._connects += 1
            self._connected.set()
        self._schedule_delivery()

    def _drop_connection(self) -> None:
        self._connected.clear()
        self._blocked = None
        unacked, self._unacked = list(self._unacked.values()), {}
        for queue, _ in unacked:
            queue.unacked -= 1
        self._return_to_queue(unacked)
        for queue in self._all_queues:
            queue.epoch = next(self._epochs)

    def _raise_if_disconnected(self) -> None:
        if not self._connected.is_set():
            raise BrokerUnavailable("the memory broker is disconnected")

    def _enqueue(self, publication: Publication) -> PublishAnswer:
        if self.answer_unknown_and_drop:
            return PublishAnswer.UNKNOWN
        if publication.queue in self._deleted or publication.queue not in self._queues:
            return PublishAnswer.RETURNED
        if self.refuse_publishes or self._size >= self._limit:
            return PublishAnswer.REFUSED
        self._size += 1
        message = _QueuedMessage(publication.body, publication.queue, publication.task_id)
        self._queues[publication.queue].ready.append(message)
        return PublishAnswer.UNKNOWN if self.answer_unknown_but_deliver else PublishAnswer.CONFIRMED

    def _take_unacked(
        self, deliveries: Iterable[Delivery | DeadDelivery]
    ) -> list[tuple[_Queue, _QueuedMessage]]:
        """Remove the deliveries from the unacknowledged ones; those no longer among them are ignored."""
        taken = []
        for delivery in deliveries:
            entry = self._unacked.pop(delivery.tag, None)
            if entry is not None:
                entry[0].unacked -= 1
                taken.append(entry)
        return taken

    def _return_to_queue(self, entries: Sequence[tuple[_Queue, _QueuedMessage]]) -> None:
        """Put messages at the front, oldest first; those delivered too often become dead letters."""
        for queue, message in reversed(entries):
            if message.deliveries > self._delivery_limit and queue is not self._dead_letters:
                self._dead_letter(message, "delivery_limit")
            else:
                queue.ready.appendleft(message)

    def _dead_letter(self, message: _QueuedMessage, reason: str) -> None:
        message.death_reason, message.deliveries = reason, 0
        self._dead_letters.ready.append(message)

    def _subscribe(
        self, queue: _Queue, prefetch: int, deliver: Callable[[_QueuedMessage, int], None]
    ) -> None:
        queue.prefetch, queue.deliver, queue.epoch = prefetch, deliver, next(self._epochs)
        self._schedule_delivery()

    def _schedule_delivery(self) -> None:
        """Deliver from the event loop, never from inside a call of the user's."""
        if not self._delivery_scheduled and self._connected.is_set():
            self._delivery_scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver_ready)

    def _deliver_ready(self) -> None:
        self._delivery_scheduled = False
        for queue in self._all_queues:
            while queue.ready and queue.unacked < queue.prefetch and self._can_deliver(queue):
                self._deliver_next(queue)

    def _can_deliver(self, queue: _Queue) -> bool:
        return queue.deliver is not None and self._connected.is_set()

    def _deliver_next(self, queue: _Queue) -> None:
        message = queue.ready.popleft()
        message.deliveries += 1
        tag = next(self._tags)
        self._unacked[tag] = (queue, message)
        queue.unacked += 1
        if queue.deliver is not None:
            try:
                queue.deliver(message, tag)
            except Exception as exc:  # noqa: BLE001 - the boundary to the subscriber's callback
                self._events.emit(LoopFailed(service=SERVICE, error=exc))
