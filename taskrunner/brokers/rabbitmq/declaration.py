"""The declaration of the topology in RabbitMQ. Only this module declares.

A user without the right to configure works with what is declared already, since passive declarations need no
right: https://www.rabbitmq.com/docs/access-control#authorisation. Without the exchanges, the dead letters and
the three default queues nothing works; any other queue that is refused leaves the rest as it is.
"""

import asyncio
from collections.abc import Iterable

from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection
from taskrunner.brokers.rabbitmq.channel import Channel
from taskrunner.brokers.rabbitmq.errors import AccessRefused
from taskrunner.brokers.topology import QueueDeclaration, Topology
from taskrunner.domain.errors import BrokerUnavailable, TopologyConflict

# How long a queue stays deleted before we declare it again. If a queue of the same name exists by the time
# that RabbitMQ (3.10, measured) tells a channel of the deletion, RabbitMQ sends no basic.cancel but moves the
# consumer to the new queue, where the channel's stale state swallows every delivery.
REDECLARE_PAUSE = 1.0


async def redeclare(connection: AmqpConnection, topology: Topology) -> None:
    """Declare after `REDECLARE_PAUSE` seconds, because a queue was deleted."""
    await asyncio.sleep(REDECLARE_PAUSE)
    await declare(connection, topology)


async def declare(connection: AmqpConnection, topology: Topology) -> None:
    """Declare the topology on channels of its own, since the broker closes the channel upon a conflict.

    Raises `TopologyConflict`, `AccessRefused` or `BrokerUnavailable` for what everything needs; refusals of
    other queues are noted in the topology.
    """
    channel = await Channel.open(connection)
    basic = topology.basic_declarations
    try:
        await _declare(channel, topology.exchanges, basic)
    except AccessRefused as exc:
        await _check_declared(connection, topology, topology.exchanges, basic, exc)
    finally:
        channel.close()
    await declare_queues(connection, topology, topology.queues)


async def declare_queues(connection: AmqpConnection, topology: Topology, queues: Iterable[str]) -> None:
    """Declare queues of which each may be refused. Raises `BrokerUnavailable`."""
    channel: Channel | None = None
    try:
        for queue in queues:
            if topology.is_basic(queue):
                continue
            if channel is None or channel.ended.done():
                channel = await Channel.open(connection)
            try:
                await _declare_queue(connection, channel, topology, queue)
            except (AccessRefused, TopologyConflict) as exc:
                topology.refused[queue] = str(exc)
            else:
                topology.refused.pop(queue, None)
    finally:
        if channel is not None:
            channel.close()


async def _declare_queue(
    connection: AmqpConnection, channel: Channel, topology: Topology, queue: str
) -> None:
    declarations = (topology.declaration(queue),)
    try:
        await _declare(channel, (), declarations)
    except AccessRefused as exc:
        await _check_declared(connection, topology, (), declarations, exc)


async def _declare(
    channel: Channel, exchanges: Iterable[str], declarations: Iterable[QueueDeclaration]
) -> None:
    raw = channel.raw
    for exchange in exchanges:
        await channel.call(raw.exchange_declare, exchange=exchange, exchange_type="direct", durable=True)
    for declaration in declarations:
        await channel.call(
            raw.queue_declare, queue=declaration.name, durable=True, arguments=dict(declaration.arguments)
        )
        await channel.call(
            raw.queue_bind, queue=declaration.name, exchange=declaration.exchange, routing_key=declaration.key
        )


async def _check_declared(
    connection: AmqpConnection,
    topology: Topology,
    exchanges: Iterable[str],
    declarations: Iterable[QueueDeclaration],
    refusal: AccessRefused,
) -> None:
    """Raises `AccessRefused` unless every exchange and queue exists."""
    channel = await Channel.open(connection)
    raw = channel.raw
    try:
        for exchange in exchanges:
            await channel.call(raw.exchange_declare, exchange=exchange, passive=True)
        for declaration in declarations:
            await channel.call(raw.queue_declare, queue=declaration.name, passive=True)
    except BrokerUnavailable as exc:
        raise AccessRefused(f"{refusal}; {exc}; {topology.rights}") from exc
    finally:
        channel.close()
