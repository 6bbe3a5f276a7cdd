"""The one declaration of exchanges and queues, for every subcommand and every adapter that has queues.

    publisher ─> taskrunner (direct) ─ high|medium|low ─> taskrunner.high, taskrunner.medium, taskrunner.low
                                                                  │ rejected, delivered too often
                                                                  v
                                              taskrunner.dlx (direct) ─ dead ─> taskrunner.dead

Pure data: adapters carry it out. A change of a queue's arguments needs a new queue name or a migration,
since RabbitMQ refuses to declare an existing queue with other arguments.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskrunner.domain.errors import TopologyConflict
from taskrunner.domain.task import Priority

DEAD_KEY = "dead"


@dataclass(frozen=True, slots=True)
class QueueDeclaration:
    """A durable queue, bound to one exchange with one key."""

    name: str
    exchange: str
    key: str
    arguments: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Names and arguments; `exchange` is the prefix of every name.

    `delivery_limit` is how often the broker hands out a message before it takes it for dead. A restart of
    a consumer costs each message it held one delivery, so this is generous. In a cluster RabbitMQ puts a
    quorum queue on three nodes by itself; to ask for it would change the arguments of queues that exist.
    """

    exchange: str = "taskrunner"
    delivery_limit: int = 50
    queues: Sequence[Priority] = field(default=tuple(Priority))

    @property
    def dead_exchange(self) -> str:
        return f"{self.exchange}.dlx"

    @property
    def dead_queue(self) -> str:
        return f"{self.exchange}.dead"

    def amqp_name(self, queue: Priority) -> str:
        return f"{self.exchange}.{queue.value}"

    def queue_of(self, amqp_name: object) -> Priority | None:
        """The queue that a queue's name stands for; None for any other value."""
        return next((queue for queue in Priority if self.amqp_name(queue) == amqp_name), None)

    @property
    def exchanges(self) -> Sequence[str]:
        """All are direct and durable."""
        return (self.exchange, self.dead_exchange)

    @property
    def declarations(self) -> Sequence[QueueDeclaration]:
        """The dead letter queue first: a queue must never run without it."""
        dead = QueueDeclaration(self.dead_queue, self.dead_exchange, DEAD_KEY, {"x-queue-type": "quorum"})
        # At-least-once dead lettering demands reject-publish:
        # https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering
        arguments: dict[str, str | int] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead_exchange,
            "x-dead-letter-routing-key": DEAD_KEY,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return (
            dead,
            *(
                QueueDeclaration(self.amqp_name(queue), self.exchange, queue.value, arguments)
                for queue in self.queues
            ),
        )


# RabbitMQ 3.10 to 4.x; its reply text is cut at 255 bytes, so the end may be missing.
_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']*)' for (?P<kind>queue|exchange) '(?P<name>[^']*)' in vhost "
    r"'(?P<vhost>[^']*)': received (?P<ours>.*?) but current is (?P<theirs>.*)",
    re.DOTALL,
)
_VALUE = re.compile(
    r"(?:the value )?'?(?P<value>.*?)'?(?: of type '(?P<type>[^']*)'?)?(?:\.\.\.)?$", re.DOTALL
)


def conflict(reply_text: str) -> TopologyConflict | None:
    """What a 406 PRECONDITION_FAILED says about a declaration, for people; None when it is about another."""
    match = _INEQUIVALENT.search(reply_text)
    if match is None:
        return None
    kind, name = match["kind"], match["name"]
    way_out = (
        f"drain it, then delete it (rabbitmqctl delete_queue {name} --vhost {match['vhost']}), "
        "or set Rabbit.exchange to another name"
        if kind == "queue"
        else "delete it, or set Rabbit.exchange to another name"
    )
    return TopologyConflict(
        f"{kind} {name!r} in vhost {match['vhost']!r} exists with {match['argument']} = "
        f"{_value(match['theirs'])}, but taskrunner needs {_value(match['ours'])}; {way_out}"
    )


def _value(text: str) -> str:
    match = _VALUE.match(text.strip())
    return match["value"] if match else text
