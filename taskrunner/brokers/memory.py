"""A broker in this process: the embedded mode's, and the one that tests break on purpose.

It keeps the seam's promises but for durability: what it holds ends with the process, and the relay publishes
it again from the store.
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
)
from taskrunner.brokers.topology import Topology
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import Events, LoopFailed, ServiceLost, ServiceRestored
from taskrunner.domain.task import Priority

SERVICE = "memory broker"
_DELIVERIES = Topology().delivery_limit
DEAD = "dead"


@dataclass(slots=True, eq=False)
class _Message:
    body: bytes
    queue: Priority
    message_id: str
    deliveries: int = 0
    death: str = ""


@dataclass(slots=True, eq=False)
class _Queue:
    """`deliver` is None while nobody subscribes. `held` is what is out and not settled.

    As with real brokers each queue has epochs of its own: a new one with each subscription and connection.
    """

    epoch: int
    ready: deque[_Message] = field(default_factory=deque)
    held: int = 0
    prefetch: int = 0
    deliver: Callable[[_Message, int], None] | None = None


class MemoryBroker(Broker):
    """Holds at most `limit` messages in all; publishes beyond are refused.

    Faults for tests: `disconnect`, `reconnect`, `block`, `unblock`, `lose`, `delete`, and three attributes
    that stay in force until they are set back.
    """

    name = SERVICE
    durable = False

    def __init__(self, events: Events, *, limit: int = 1_000_000, delivery_limit: int = _DELIVERIES) -> None:
        self._events = events
        self._limit = limit
        self._delivery_limit = delivery_limit
        self._epochs = itertools.count(1)
        self._queues: dict[str, _Queue] = {name: _Queue(next(self._epochs)) for name in (*Priority, DEAD)}
        self._out: dict[int, tuple[_Queue, _Message]] = {}
        self._tags = itertools.count(1)
        self._size = 0
        self._linked = asyncio.Event()
        self._connects = 0
        self._reachable = True
        self._lost_at: float | None = None
        self._blocked: str | None = None
        self._deleted: set[Priority] = set()
        self._pump_due = False
        self.refuse_publishes = False
        self.answer_unknown_but_deliver = False
        self.answer_unknown_and_drop = False

    # The seam

    async def start(self) -> None:
        if self._reachable:
            self._connect()

    async def wait_ready(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._linked.wait()
        except TimeoutError as exc:
            raise BrokerUnavailable("the memory broker is disconnected") from exc

    async def stop(self) -> None:
        self._drop_connection()
        for queue in self._queues.values():
            queue.deliver = None

    @property
    def connected(self) -> bool:
        return self._linked.is_set()

    def status(self) -> BrokerStatus:
        connected = self.connected
        subscribed = any(queue.deliver for queue in self._queues.values())
        return BrokerStatus(
            connected=connected,
            consuming=connected or not subscribed,
            reconnects=max(0, self._connects - 1),
            blocked=self._blocked,
            error=None if connected else "disconnected",
        )

    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        await self.try_publishing()
        answers = [self._take(publication) for publication in publications]
        self._deleted.difference_update({publication.queue for publication in publications})
        self._pump_soon()
        return answers

    async def try_publishing(self) -> None:
        self._demand_connection()
        if self._blocked is not None:
            raise BrokerUnavailable(f"the memory broker refuses publishes: {self._blocked}")

    def consume(self, queues: Sequence[Priority], prefetch: int, on_delivery: OnDelivery) -> None:
        def deliver(message: _Message, tag: int) -> None:
            redelivered = message.deliveries > 1
            epoch = self._queues[message.queue].epoch
            on_delivery(Delivery(message.body, message.queue, redelivered, message.message_id, tag, epoch))

        for queue in queues:
            self._subscribe(self._queues[queue], prefetch, deliver)

    def cancel_consume(self, queues: Sequence[Priority] = tuple(Priority)) -> None:
        for queue in queues:
            self._queues[queue].deliver = None

    def collect(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        def deliver(message: _Message, tag: int) -> None:
            account = [{"queue": message.queue, "reason": message.death, "count": 1}]
            x_death = orjson.dumps(account).decode()
            epoch = self._queues[DEAD].epoch
            on_dead(
                DeadDelivery(
                    message.body, message.queue, message.death, message.message_id, x_death, tag, epoch
                )
            )

        self._subscribe(self._queues[DEAD], prefetch, deliver)

    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._size -= len(self._settle(deliveries))
        self._pump_soon()

    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        self._give_back(self._settle(deliveries))
        self._pump_soon()

    def reject(self, deliveries: Sequence[Delivery]) -> None:
        for _, message in self._settle(deliveries):
            self._bury(message, "rejected")
        self._pump_soon()

    async def depths(self) -> Mapping[Priority, int]:
        self._demand_connection()
        return {queue: len(self._queues[queue].ready) for queue in Priority}

    # Faults

    def disconnect(self, error: str = "disconnected by a test") -> None:
        """Lose the connection: what is out goes back to its queue, until `reconnect`."""
        self._reachable = False
        if self._linked.is_set():
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
        """As an alarm of the broker: publishes fail, deliveries and acks go on."""
        self._blocked = reason

    def unblock(self) -> None:
        self._blocked = None

    def lose(self, queue: Priority) -> int:
        """Forget the ready messages of a queue, as a purge does; answers how many."""
        ready = self._queues[queue].ready
        lost = len(ready)
        ready.clear()
        self._size -= lost
        return lost

    def delete(self, queue: Priority) -> int:
        """As `lose`, and the next call of `publish` with the queue gets RETURNED for it."""
        self._deleted.add(queue)
        return self.lose(queue)

    # Inside

    def _connect(self) -> None:
        if not self._linked.is_set():
            self._connects += 1
            self._linked.set()
        self._pump_soon()

    def _drop_connection(self) -> None:
        self._linked.clear()
        self._blocked = None
        out, self._out = list(self._out.values()), {}
        for queue, _ in out:
            queue.held -= 1
        self._give_back(out)
        for queue in self._queues.values():
            queue.epoch = next(self._epochs)

    def _demand_connection(self) -> None:
        if not self._linked.is_set():
            raise BrokerUnavailable("the memory broker is disconnected")

    def _take(self, publication: Publication) -> PublishAnswer:
        if self.answer_unknown_and_drop:
            return PublishAnswer.UNKNOWN
        if publication.queue in self._deleted:
            return PublishAnswer.RETURNED
        if self.refuse_publishes or self._size >= self._limit:
            return PublishAnswer.REFUSED
        self._size += 1
        message = _Message(publication.body, publication.queue, publication.task_id)
        self._queues[publication.queue].ready.append(message)
        return PublishAnswer.UNKNOWN if self.answer_unknown_but_deliver else PublishAnswer.CONFIRMED

    def _settle(self, deliveries: Iterable[Delivery | DeadDelivery]) -> list[tuple[_Queue, _Message]]:
        """Take them from what is out; those of an earlier connection, or settled before, are passed over."""
        settled = []
        for delivery in deliveries:
            entry = self._out.pop(delivery.tag, None)
            if entry is not None:
                entry[0].held -= 1
                settled.append(entry)
        return settled

    def _give_back(self, entries: Sequence[tuple[_Queue, _Message]]) -> None:
        """To the front, oldest first, unless a message was delivered too often."""
        for queue, message in reversed(entries):
            if message.deliveries > self._delivery_limit and queue is not self._queues[DEAD]:
                self._bury(message, "delivery_limit")
            else:
                queue.ready.appendleft(message)

    def _bury(self, message: _Message, reason: str) -> None:
        message.death, message.deliveries = reason, 0
        self._queues[DEAD].ready.append(message)

    def _subscribe(self, queue: _Queue, prefetch: int, deliver: Callable[[_Message, int], None]) -> None:
        queue.prefetch, queue.deliver, queue.epoch = prefetch, deliver, next(self._epochs)
        self._pump_soon()

    def _pump_soon(self) -> None:
        """Deliveries come from the loop, never from within a call of ours."""
        if not self._pump_due and self._linked.is_set():
            self._pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_due = False
        for queue in self._queues.values():
            while queue.ready and queue.held < queue.prefetch and self._can_deliver(queue):
                self._deliver(queue)

    def _can_deliver(self, queue: _Queue) -> bool:
        return queue.deliver is not None and self._linked.is_set()

    def _deliver(self, queue: _Queue) -> None:
        message = queue.ready.popleft()
        message.deliveries += 1
        tag = next(self._tags)
        self._out[tag] = (queue, message)
        queue.held += 1
        if queue.deliver is not None:
            try:
                queue.deliver(message, tag)
            except Exception as exc:  # noqa: BLE001 - the boundary to our callees
                self._events.emit(LoopFailed(service=SERVICE, error=exc))
