"""A RabbitMQ that refuses us, or has a queue or exchange with other arguments."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from taskrunner.brokers.base import PublishAnswer
from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.domain.errors import BrokerUnavailable, TopologyConflict
from taskrunner.domain.events import ServiceLost
from tests.contract.brokers.harness import RabbitBackend, messages
from tests.tools.proxy import Mode
from tests.tools.waiting import PATIENCE, eventually


async def refused(backend: RabbitBackend, **changes: Any) -> str:
    """Start a broker that cannot connect, and return its error."""
    broker = RabbitBroker(backend.settings(**changes), backend.bus)
    await broker.start()
    try:
        await eventually(lambda: broker.status().error)
        with pytest.raises(BrokerUnavailable) as caught:
            await broker.wait_ready(0.01)
        assert not broker.status().connected
        assert broker.status().error == str(caught.value)
        return str(caught.value)
    finally:
        await broker.stop()


async def test_wrong_password_is_reported_without_the_password(unstarted: RabbitBackend) -> None:
    """The error quotes the broker's refusal, and holds no secret."""
    address = unstarted.settings().addresses[0].replace("guest:guest", "guest:open-sesame")
    text = await refused(unstarted, addresses=(address,))
    assert "ACCESS_REFUSED" in text
    assert text.endswith("check the user, password and virtual host in Rabbit.addr")
    assert "open-sesame" not in text


async def test_missing_vhost_is_reported(unstarted: RabbitBackend) -> None:
    """The error names a virtual host that does not exist."""
    address = unstarted.settings().addresses[0].rstrip("/") + "/" + quote("no such vhost")
    assert "vhost no such vhost not found" in await refused(unstarted, addresses=(address,))


async def test_unreachable_broker_is_reported(unstarted: RabbitBackend) -> None:
    """The error names host and port, with the system's message; one event reports it."""
    await unstarted.proxy.refuse()
    text = await refused(unstarted)
    assert text == f"RabbitMQ at 127.0.0.1:{unstarted.proxy.port}: Connection refused"
    assert [type(event) for event in unstarted.events] == [ServiceLost]


async def test_handshake_that_hangs_times_out(unstarted: RabbitBackend) -> None:
    """A peer that accepts and says nothing costs one dial timeout per dial, and no sockets."""
    unstarted.proxy.mode = Mode.BLACK_HOLE
    text = await refused(unstarted, dial_timeout=0.2)
    assert "no AMQP connection after 0.2 s" in text
    assert unstarted.proxy.accepted >= 2
    unstarted.proxy.mode = Mode.PASS
    await eventually(lambda: unstarted.proxy.open_connections == 0)


async def test_next_address_is_dialled(unstarted: RabbitBackend) -> None:
    """One dead address among several costs no wait."""
    good = unstarted.settings().addresses[0]
    await unstarted.start(addresses=("amqp://guest:guest@127.0.0.1:1/", good))
    assert list(await unstarted.broker.publish(messages(1))) == [PublishAnswer.CONFIRMED]


@pytest.mark.parametrize(
    ("index", "changes", "expected"),
    [
        (0, {"x-queue-type": "classic"}, "x-queue-type = classic, but taskrunner needs quorum"),
        (1, {"x-delivery-limit": 7}, "x-delivery-limit = 7, but taskrunner needs 3"),
    ],
)
async def test_conflicting_queue_is_reported_until_it_is_deleted(
    unstarted: RabbitBackend, index: int, changes: dict[str, str | int], expected: str
) -> None:
    """A queue with other arguments is reported at once; after an operator has deleted it, we go on."""
    queue = replace(unstarted.topology, delivery_limit=3).basic_declarations[index]
    arguments = {**queue.arguments, **changes}
    if "x-queue-type" in changes:
        # RabbitMQ 4 refuses a delivery limit on a classic queue.
        del arguments["x-delivery-limit"]
    await unstarted.admin(
        lambda channel: channel.queue_declare(queue.name, durable=True, arguments=arguments)
    )
    await unstarted.broker.start()
    with pytest.raises(TopologyConflict, match=expected) as caught:
        await unstarted.broker.wait_ready(PATIENCE)
    assert f"rabbitmqctl delete_queue {queue.name}" in str(caught.value)
    assert expected in (unstarted.broker.status().error or "")
    await unstarted.admin(lambda channel: channel.queue_delete(queue.name))
    await eventually(lambda: unstarted.broker.status().connected)


async def test_conflicting_exchange_is_reported(unstarted: RabbitBackend) -> None:
    """An exchange of another type is reported the same way."""
    await unstarted.admin(
        lambda channel: channel.exchange_declare(unstarted.topology.exchange, "fanout", durable=True)
    )
    await unstarted.broker.start()
    with pytest.raises(TopologyConflict, match="type = fanout, but taskrunner needs direct"):
        await unstarted.broker.wait_ready(PATIENCE)
