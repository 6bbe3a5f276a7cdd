"""A message as RabbitMQ delivered it, and how it becomes a `Delivery` or a `DeadDelivery`."""

from collections.abc import Mapping

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
    if message_id is None:
        message_id = _long_message_id(decode_table(frames.headers_of(message.header)))
    coding = frames.content_encoding_of(message.header)
    return Delivery(message.body, queue, message.redelivered, message_id, message.tag, epoch, coding)


def to_dead_delivery(message: ReceivedMessage, epoch: int, topology: Topology) -> DeadDelivery:
    """`reason` is RabbitMQ's: rejected, delivery_limit, expired or maxlen; "unknown" for a foreign message.

    Headers: https://www.rabbitmq.com/docs/dlx#effects. A message that an operator moved back may have died
    before: the first entry of `x-death` is its last death, and its first death has headers of its own.
    """
    headers = decode_table(frames.headers_of(message.header))
    x_death = headers.get("x-death")
    last = x_death[0] if isinstance(x_death, list) and x_death and isinstance(x_death[0], dict) else {}
    return DeadDelivery(
        body=message.body,
        queue=topology.queue_of(last.get("queue") or headers.get("x-first-death-queue")),
        reason=str(last.get("reason") or headers.get("x-first-death-reason") or "unknown"),
        message_id=frames.message_id_of(message.header) or _long_message_id(headers),
        x_death=orjson.dumps(x_death).decode() if x_death is not None else None,
        tag=message.tag,
        epoch=epoch,
        coding=frames.content_encoding_of(message.header),
        expires="original-expiration" in last,
    )


def _long_message_id(headers: Mapping[str, object]) -> str | None:
    """RabbitMQ moves an AMQP 1.0 message id of more than 255 bytes there; a property cannot hold it."""
    found = headers.get("x-message-id")
    return found if isinstance(found, str) else None
