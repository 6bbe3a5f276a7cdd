"""The seam to a broker: what every adapter promises, and the values that cross it.

The contract tests in `tests/contract` say the same in code; each adapter passes them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from taskrunner.domain.task import Priority
from taskrunner.domain.value import Value


class Publication(Value):
    """An envelope to publish: its queue, its bytes, and the task's id as AMQP message id."""

    queue: Priority
    body: bytes
    task_id: str


class PublishAnswer(StrEnum):
    """What became of one publication."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"  # no queue took it (mandatory): the queue's queue is gone
    REFUSED = "refused"  # the broker nacked it
    UNKNOWN = "unknown"  # the connection broke or the time ran out before the confirm


@dataclass(slots=True, eq=False)
class Delivery:
    """A message received and not yet settled with the broker.

    `tag` and `epoch` belong to the adapter: a delivery of an earlier connection is settled by nobody,
    since the broker has already taken it back. Each queue has epochs of its own: of two deliveries of one
    queue the one with the lower epoch is void.
    """

    body: bytes
    queue: Priority
    redelivered: bool
    message_id: str | None
    tag: int
    epoch: int


@dataclass(slots=True, eq=False)
class DeadDelivery:
    """A message on the dead letter queue: its bytes, why it died, and RabbitMQ's account as JSON text."""

    body: bytes
    queue: Priority | None
    reason: str
    message_id: str | None
    x_death: str | None
    tag: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatus:
    """How the adapter stands with its broker, for health checks and `/stats`.

    `warnings` are facts that weaken our promises, such as a version that we do not know.
    `consuming` is True while every subscription that was asked for is in force. `reconnects` counts
    connections made after the first. `blocked` is the broker's reason while it refuses publishes.
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
    """Three durable queues and a dead letter queue, each at least once and in order of arrival.

    All methods are for one event loop. Nothing here blocks: a broker that is away makes `publish` and
    `depths` raise `BrokerUnavailable` at once, while the adapter goes on reconnecting by itself, with
    its topology and subscriptions, until `stop`. One that is not `durable` holds nothing when it starts, so
    that what an earlier process had queued must be published to it again.
    """

    name: ClassVar[str]
    durable: ClassVar[bool] = True

    @abstractmethod
    async def start(self) -> None:
        """Begin to connect and return at once; see `wait_ready`.

        A broker that is away is no error here.
        """

    @abstractmethod
    async def wait_ready(self, timeout: float) -> None:
        """Return once connected with the topology in place.

        Raises `BrokerUnavailable` after `timeout` seconds, `TopologyConflict` as soon as one is found.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Close all connections, politely where they are up; unsettled deliveries go back to the queue."""

    @property
    @abstractmethod
    def connected(self) -> bool:
        """As `status` has it, for those who ask with each task."""

    @abstractmethod
    def status(self) -> BrokerStatus:
        """How things stand now, without asking the broker."""

    @abstractmethod
    async def publish(self, publications: Sequence[Publication]) -> Sequence[PublishAnswer]:
        """Publish persistently and wait for the broker's confirms; one answer per publication, in order.

        Ends within the publish timeout, whatever happens. Raises `BrokerUnavailable` when nothing was
        sent: not connected, or blocked by an alarm.
        """

    @abstractmethod
    async def try_publishing(self) -> None:
        """Publish what no queue takes. Raises `BrokerUnavailable` when the broker takes no publishes now."""

    @abstractmethod
    def consume(self, queues: Sequence[Priority], prefetch: int, on_delivery: OnDelivery) -> None:
        """Subscribe to the queues, each with its own `prefetch`, now and after every reconnect."""

    @abstractmethod
    def cancel_consume(self, queues: Sequence[Priority] = tuple(Priority)) -> None:
        """Stop deliveries of `consume` from these queues; what was delivered can still be settled."""

    @abstractmethod
    def collect(self, prefetch: int, on_dead: OnDeadDelivery) -> None:
        """Subscribe to the dead letter queue, now and after every reconnect."""

    @abstractmethod
    def ack(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        """Tell the broker to forget them. Those of an earlier connection are passed over."""

    @abstractmethod
    def release(self, deliveries: Sequence[Delivery | DeadDelivery]) -> None:
        """Give them back to their queue for another delivery."""

    @abstractmethod
    def reject(self, deliveries: Sequence[Delivery]) -> None:
        """Send them to the dead letter queue."""

    @abstractmethod
    async def depths(self) -> Mapping[Priority, int]:
        """Ready messages per queue. Raises `BrokerUnavailable`."""
