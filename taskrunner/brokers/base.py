"""The seam to a broker: what every adapter promises, and the values that cross it.

The contract tests in `tests/contract/brokers` say the same in code; each adapter passes them. Queues are
known by their names here (such as `high`); how RabbitMQ names them is up to its adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from taskrunner.domain.queues.queue import QueueCounts as QueueCounts
from taskrunner.domain.value import Value


class Publication(Value):
    """An envelope to publish: its queue, its bytes, and the task's id as AMQP message id."""

    queue: str
    body: bytes
    task_id: str


class PublishAnswer(StrEnum):
    """The broker's answer to one publication."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"  # the queue does not exist in the broker (the publish was mandatory)
    REFUSED = "refused"  # the broker nacked it
    UNKNOWN = "unknown"  # the connection broke or the time ran out before the confirm


@dataclass(slots=True, eq=False)
class Delivery:
    """A message received and not yet acknowledged, released or rejected.

    `coding` is the content-encoding that a foreign client gave. A byte of `message_id` that is not UTF-8 is a
    surrogate escape. `tag` and `epoch` belong to the adapter. A queue gets a higher `epoch` with each new
    subscription. The broker has already taken back the deliveries of lower epochs, so the adapter ignores
    them.
    """

    body: bytes
    queue: str
    redelivered: bool
    message_id: str | None
    tag: int
    epoch: int
    coding: str | None = None


@dataclass(slots=True, eq=False)
class DeadDelivery:
    """A message of the dead letter queue: its bytes, why it died, and RabbitMQ's `x-death` header as JSON.

    `reason` is that of its last death; `expires` when its publisher, not a policy, gave it a time to live.
    """

    body: bytes
    queue: str | None
    reason: str
    message_id: str | None
    x_death: str | None
    tag: int
    epoch: int
    coding: str | None = None
    expires: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """The state of the adapter's connection, for health checks and `/stats`.

    `warnings` are facts that weaken our promises, such as an untested version of the broker. `consuming` is
    True while every requested subscription is active. `reconnects` counts connections made after the first.
    `blocked` is the broker's reason while it refuses publishes.
    """

    connected: bool
    consuming: bool
    reconnects: int
    blocked: str | None = None
    error: str | None = None
    warnings: Sequence[str] = ()
    details: Mapping[str, str] = field(default_factory=dict)


OnDelivery = Callable[[Delivery], None]
OnDeadDelivery = Callable[[DeadDelivery], None]


class Broker(ABC):
    """Durable queues and a dead letter queue. Each delivers at least once, in order of arrival.

    All methods are for one event loop, and none of them blocks. While the broker is away, `publish` and
    `queue_counts` raise `BrokerUnavailable` at once. Until `stop`, the adapter reconnects and then restores
    its topology and subscriptions. A broker that is not `durable` is empty when it starts: what an earlier
    process had queued must be published again.
    """

    name: ClassVar[str]
    durable: ClassVar[bool] = True

    @abstractmethod
    async def start(self) -> None:
        """Begin to connect and return at once; see `wait_ready`. Raises nothing when the broker is away."""

    @abstractmethod
    async def wait_ready(self, timeout: float) -> None:
        """Return once connected with the topology in place.

        Raises `BrokerUnavailable` after `timeout` seconds, and `TopologyConflict` as soon as one is found.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Close all connections. Unacknowledged deliveries go back to their queue."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """The same as in `status`, but cheap enough to ask for each task."""

    @abstractmethod
    def status(self) -> BrokerStatus:
        """The state as known now, without asking the broker."""

    @abstractmethod
    async def declare(self, queues: Sequence[str]) -> None:
        """Have these queues, now and after every reconnect; the three default ones are among them.

        A queue that is no longer among them keeps its messages, but is not counted. What the broker lacks and
        will not declare is in `refused_queues` afterwards, and hinders no other queue. Raises
        `BrokerUnavailable` while the broker is away; then the queues are declared as soon as it is back.
        """

    @property
    @abstractmethod
    def refused_queues(self) -> Mapping[str, str]:
        """The queues that the broker lacks and will not declare, with its reason."""

    @abstractmethod
    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        """Publish persistently and wait for the broker's confirms; one answer per publication, in order.

        Ends within the publish timeout. Raises `BrokerUnavailable` when nothing was sent: not connected, or
        blocked by an alarm.
        """

    @abstractmethod
    async def try_publishing(self) -> None:
        """Publish a message that no queue takes. Raises `BrokerUnavailable` when the broker takes no
        publishes.
        """

    @abstractmethod
    def consume(self, queues: Sequence[str], prefetch: int, on_delivery: OnDelivery) -> None:
        """Subscribe to the queues, each with its own `prefetch`, now and after every reconnect."""

    @abstractmethod
    def is_full(self, queue: str) -> bool:
        """Whether a queue's prefetch is used up, so that it delivers only as deliveries are acknowledged."""

    @abstractmethod
    def cancel_consume(self, queues: Sequence[str] | None = None) -> None:
        """Stop the deliveries of these queues, or of all. Earlier deliveries can still be acknowledged."""

    @abstractmethod
    def consume_dead_letters(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        """Subscribe to the dead letter queue, now and after every reconnect."""

    @abstractmethod
    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        """Have the broker forget them. Deliveries of an earlier epoch are ignored."""

    @abstractmethod
    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        """Return them to their queue for another delivery."""

    @abstractmethod
    def reject(self, deliveries: Sequence[Delivery]) -> None:
        """Send them to the dead letter queue."""

    @abstractmethod
    async def queue_counts(self) -> Mapping[str, QueueCounts]:
        """The counts of each queue. Raises `BrokerUnavailable`."""

    async def depths(self) -> Mapping[str, int]:
        """Ready messages per queue. Raises `BrokerUnavailable`."""
        return {queue: counts.ready for queue, counts in (await self.queue_counts()).items()}
