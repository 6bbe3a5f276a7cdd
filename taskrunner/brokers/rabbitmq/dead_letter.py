"""A message of the dead letter queue, with RabbitMQ's account of why it is there."""

import orjson

from taskrunner.brokers.base import DeadDelivery
from taskrunner.brokers.rabbitmq import wire
from taskrunner.brokers.rabbitmq.subscription import Message
from taskrunner.brokers.rabbitmq.table import decode_table
from taskrunner.brokers.topology import Topology


def read(message: Message, epoch: int, topology: Topology) -> DeadDelivery:
    """`reason` is RabbitMQ's word (rejected, delivery_limit, expired, maxlen); unknown for a foreign message.

    Headers: https://www.rabbitmq.com/docs/dlx#effects
    """
    headers = decode_table(wire.headers_of(message.header))
    x_death = headers.get("x-death")
    return DeadDelivery(
        body=message.body,
        queue=topology.queue_of(headers.get("x-first-death-queue")),
        reason=str(headers.get("x-first-death-reason") or "unknown"),
        message_id=wire.message_id_of(message.header),
        x_death=orjson.dumps(x_death).decode() if x_death is not None else None,
        tag=message.tag,
        epoch=epoch,
    )
