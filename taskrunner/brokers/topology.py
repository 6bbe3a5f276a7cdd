"""The one declaration of exchanges and queues, for every subcommand.

    publisher ─> taskrunner (direct) ─ high|medium|low|… ─> taskrunner.high, taskrunner.medium, …
                                                                  │ rejected, delivered too often
                                                                  v
                                              taskrunner.dlx (direct) ─ dead ─> taskrunner.dead

A queue `high` of ours is the RabbitMQ queue `taskrunner.high`: its AMQP name. Changing the arguments of a
queue needs a new AMQP name or a migration, since RabbitMQ refuses to declare an existing queue with others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskrunner.domain.errors import TopologyConflict
from taskrunner.domain.queues.queue import DEFAULT_QUEUES, is_queue_name

DEAD_KEY = "dead"
# RabbitMQ 4 gives a quorum queue without a limit one of 20, and drops what is returned more often when there
# is no dead letter exchange, as behind the dead letters: https://www.rabbitmq.com/docs/quorum-queues
_NO_LIMIT = 1_000_000_000
# The reasons for which RabbitMQ, not a consumer, dead-letters a message: https://www.rabbitmq.com/docs/dlx
BROKER_REASONS = frozenset({"expired", "maxlen", "delivery_limit"})


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """A durable RabbitMQ queue, bound to one exchange with one key."""

    name: str
    exchange: str
    key: str
    arguments: Mapping[str, str | int]


@dataclass(slots=True, kw_only=True)
class Topology:
    """Names and arguments; `exchange` is the prefix of every AMQP name.

    `queues` change as queues are declared: only the adapter that owns the topology sets them. `refused` are
    those that the broker lacks and will not declare, with its reason.

    RabbitMQ moves a message to the dead letters after `delivery_limit` deliveries. A restart of a consumer
    costs each message that it held one delivery, so the limit is generous. In a cluster RabbitMQ puts a
    quorum queue on three nodes by default; asking for that would change the arguments of existing queues.
    """

    exchange: str = "taskrunner"
    delivery_limit: int = 50
    queues: Sequence[str] = DEFAULT_QUEUES
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def dead_exchange(self) -> str:
        return f"{self.exchange}.dlx"

    @property
    def dead_queue(self) -> str:
        return f"{self.exchange}.dead"

    def amqp_name(self, queue: str) -> str:
        return f"{self.exchange}.{queue}"

    def queue_of(self, amqp_name: object) -> str | None:
        """The inverse of `amqp_name`, also for a queue that is no longer declared; None for another value."""
        start = f"{self.exchange}."
        if not isinstance(amqp_name, str) or not amqp_name.startswith(start):
            return None
        return amqp_name.removeprefix(start) if is_queue_name(amqp_name.removeprefix(start)) else None

    @property
    def rights(self) -> str:
        """The rights that a user needs. Without configure, an operator must have declared everything."""
        names = rf"^{re.escape(self.exchange)}(\.|$)"
        return (
            f"a user needs the rights to write and read {names!r} "
            f"(and to configure it, unless it is declared already): rabbitmqctl set_permissions"
        )

    @property
    def exchanges(self) -> Sequence[str]:
        """All are direct and durable."""
        return (self.exchange, self.dead_exchange)

    @property
    def present_queues(self) -> Sequence[str]:
        """Those that the broker has, as far as is known."""
        return [queue for queue in self.queues if queue not in self.refused]

    @staticmethod
    def is_basic(queue: str) -> bool:
        """Whether the queue is one of those without which nothing works."""
        return queue in DEFAULT_QUEUES

    @property
    def basic_declarations(self) -> Sequence[QueueDeclaration]:
        """The dead letter queue comes first: no other queue may exist without it."""
        # A full queue must refuse dead letters, which then stay where they were, rather than drop the oldest.
        endless: dict[str, str | int] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": _NO_LIMIT,
            "x-overflow": "reject-publish",
        }
        dead = QueueDeclaration(self.dead_queue, self.dead_exchange, DEAD_KEY, endless)
        return (dead, *map(self.declaration, DEFAULT_QUEUES))

    def declaration(self, queue: str) -> QueueDeclaration:
        """The declaration of one queue of tasks."""
        # At-least-once dead lettering requires reject-publish:
        # https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
        arguments: dict[str, str | int] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead_exchange,
            "x-dead-letter-routing-key": DEAD_KEY,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return QueueDeclaration(self.amqp_name(queue), self.exchange, queue, arguments)


# RabbitMQ 3.10 to 4.x; its reply text is cut at 255 bytes, so the end may be missing.
_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']*)' for (?P<kind>queue|exchange) '(?P<name>[^']*)' in vhost "
    r"'(?P<vhost>[^']*)': received (?P<ours>.*?) but current is (?P<theirs>.*)",
    re.DOTALL,
)
_VALUE = re.compile(
    r"(?:the value )?'?(?P<value>.*?)'?(?: of type '(?P<type>[^']*)'?)?(?:\.\.\.)?$", re.DOTALL
)


def parse_conflict(reply_text: str) -> TopologyConflict | None:
    """The error for a 406 PRECONDITION_FAILED that refuses a declaration; None for any other 406."""
    match = _INEQUIVALENT.search(reply_text)
    if match is None:
        return None
    kind, name = match["kind"], match["name"]
    remedy = (
        f"drain it, then delete it (rabbitmqctl delete_queue {name} --vhost {match['vhost']}), "
        "or set Rabbit.exchange to another name"
        if kind == "queue"
        else "delete it, or set Rabbit.exchange to another name"
    )
    return TopologyConflict(
        f"{kind} {name!r} in vhost {match['vhost']!r} exists with {match['argument']} = "
        f"{_value(match['theirs'])}, but taskrunner needs {_value(match['ours'])}; {remedy}"
    )


def _value(text: str) -> str:
    match = _VALUE.match(text.strip())
    return match["value"] if match else text
