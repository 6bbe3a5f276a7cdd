"""A message as RabbitMQ delivered it, and how it becomes a `Delivery` or a `DeadDelivery`."""

import orjson

from taskrunner.brokers.base import DeadDelivery, Delivery
from taskrunner.brokers.rabbitmq import frames
from taskrunner.brokers.rabbitmq.field_table import decode_table
from taskrunner.brokers.topology import Topology
from taskrunner.domain.value import Value


class ReceivedMessage(Value):
    """`header` is the payload of the content header frame, which nobody has decoded yet."""

    tag: int
    redelivered: bool
    header: bytes
    body: bytes


def to_delivery(message: ReceivedMessage, queue: str, epoch: int) -> Delivery:
    message_id = frames.message_id_of(message.header)
    return Delivery(message.body, queue, message.redelivered, message_id, message.tag, epoch)


def to_dead_delivery(message: ReceivedMessage, epoch: int, topology: Topology) -> DeadDelivery:
    """`reason` is RabbitMQ's: rejected, delivery_limit, expired or maxlen; "unknown" for a foreign message.

    Headers: https://www.rabbitmq.com/docs/dlx#effects
    """
    headers = decode_table(frames.headers_of(message.header))
    x_death = headers.get("x-death")
    return DeadDelivery(
        body=message.body,
        queue=topology.queue_of(headers.get("x-first-death-queue")),
        reason=str(headers.get("x-first-death-reason") or "unknown"),
        message_id=frames.message_id_of(message.header),
        x_death=orjson.dumps(x_death).decode() if x_death is not None else None,
        tag=message.tag,
        epoch=epoch,
    )
