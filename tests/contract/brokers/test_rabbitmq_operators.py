"""What operators of RabbitMQ do to our queues: policies, and users with few rights."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from taskrunner.brokers.base import DeadDelivery, PublishAnswer
from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from tests.contract.brokers.harness import Inbox, RabbitBackend, messages
from tests.contract.brokers.test_rabbitmq import control
from tests.tools.waiting import PATIENCE, eventually


@asynccontextmanager
async def policy(
    backend: RabbitBackend, definition: str, *, kind: str = "policy", queue: str = "medium"
) -> AsyncIterator[None]:
    name = f"policy-{backend.topology.exchange}"
    pattern = f"^{re.escape(backend.topology.amqp_name(queue))}$"
    await control(f"set_{kind}", name, pattern, definition, "--apply-to", "queues")
    try:
        yield
    finally:
        await control(f"clear_{kind}", name)


@asynccontextmanager
async def user(backend: RabbitBackend, configure: str, write: str, read: str) -> AsyncIterator[RabbitBroker]:
    name = f"user-{backend.topology.exchange}"
    await control("add_user", name, "secret")
    address = urlsplit(backend.settings().addresses[0])
    netloc = f"{name}:secret@{address.hostname}:{address.port}"
    broker = RabbitBroker(
        backend.settings(addresses=(address._replace(netloc=netloc).geturl(),)), backend.bus
    )
    try:
        await control("set_permissions", name, configure, write, read)
        await broker.start()
        yield broker
    finally:
        await broker.stop()
        await control("delete_user", name)


async def test_a_policy_that_expires_messages_is_told(unstarted: RabbitBackend) -> None:
    """The dead letter says `expired`, and the status names the queue and what to look for."""
    await unstarted.start()
    inbox = Inbox()
    unstarted.broker.consume_dead_letters(10, inbox.take_dead)
    async with policy(unstarted, '{"message-ttl":1}'):
        await unstarted.broker.publish(messages(1))
        (dead,) = await inbox.wait_dead(1)
    assert (dead.reason, dead.queue, dead.expires) == ("expired", "medium", False)
    (warning,) = [each for each in unstarted.broker.status().warnings if "policies" in each]
    assert unstarted.topology.amqp_name("medium") in warning
    assert "message-ttl" in warning


async def test_a_policy_that_limits_the_length_is_told(unstarted: RabbitBackend) -> None:
    """Refused publishes stay in the store, which tries again."""
    await unstarted.start()
    async with policy(unstarted, '{"max-length":1}'):

        async def refused() -> bool:
            return PublishAnswer.REFUSED in await unstarted.broker.publish(messages(5))

        await eventually(refused)
    (warning,) = [each for each in unstarted.broker.status().warnings if "policies" in each]
    assert "max-length" in warning


@pytest.mark.parametrize("configure", ["^$", "^other"])
async def test_a_user_without_the_right_to_configure_works_with_what_is_declared(
    unstarted: RabbitBackend, configure: str
) -> None:
    """Publishing, consuming, depths and dead letters need to write and read only."""
    await unstarted.start()
    async with user(unstarted, configure, ".*", ".*") as broker:
        await broker.wait_ready(PATIENCE)
        inbox = Inbox()
        assert list(await broker.publish(messages(1))) == [PublishAnswer.CONFIRMED]
        assert set(await broker.depths()) == {"high", "medium", "low"}
        broker.consume_dead_letters(10, inbox.take_dead)
        broker.consume(["medium"], 10, inbox.take)
        broker.reject(await inbox.wait(1))
        assert (await inbox.wait_dead(1))[0].reason == "rejected"


@pytest.mark.parametrize(
    ("rights", "declared", "named"),
    [
        (("^$", ".*", ".*"), False, "configure"),
        (("^$", "^$", ".*"), True, "access to exchange|write access"),
    ],
)
async def test_missing_rights_are_named(
    unstarted: RabbitBackend, rights: tuple[str, str, str], declared: bool, named: str
) -> None:
    """The error says which right is missing on what, and how to give it."""
    if declared:
        await unstarted.start()
    async with user(unstarted, *rights) as broker:
        if not declared:
            with pytest.raises(BrokerUnavailable):
                await broker.wait_ready(3)
            text = broker.status().error or ""
            assert "rabbitmqctl set_permissions" in text
        else:
            await broker.wait_ready(PATIENCE)
            with pytest.raises(BrokerUnavailable) as caught:
                await broker.try_publishing()
            text = str(caught.value)
            assert "rabbitmqctl list_permissions" in text
    assert re.search(named, text)
    if not declared:
        await unstarted.start()


async def test_a_queue_that_may_not_be_declared_hinders_no_other(unstarted: RabbitBackend) -> None:
    """The refusal names the right; a declared queue can be used, and so can this one once it is declared."""
    await unstarted.start()
    await unstarted.broker.declare((*DEFAULT_QUEUES, "mails"))
    async with user(unstarted, "^$", ".*", ".*") as broker:
        await broker.wait_ready(PATIENCE)
        queues = (*DEFAULT_QUEUES, "mails", "reports")
        await broker.declare(queues)
        assert broker.refused_queues.keys() == {"reports"}
        reason = broker.refused_queues["reports"]
        assert "ACCESS_REFUSED" in reason
        assert "rabbitmqctl set_permissions" in reason
        inbox = Inbox()
        broker.consume(queues, 10, inbox.take)
        answers = await broker.publish([*messages(1, "reports"), *messages(1, "mails"), *messages(1)])
        confirmed = PublishAnswer.CONFIRMED
        assert list(answers) == [PublishAnswer.RETURNED, confirmed, confirmed]
        assert {each.queue for each in await inbox.wait(2)} == {"mails", "medium"}
        assert (await broker.depths()).keys() == {*DEFAULT_QUEUES, "mails"}
        status = broker.status()
        assert (status.connected, status.consuming, status.reconnects) == (True, True, 0)
        assert any("the queue reports is not declared" in each for each in status.warnings)
        await unstarted.broker.declare(queues)
        await broker.declare(queues)
        assert broker.refused_queues == {}
        assert list(await broker.publish(messages(1, "reports"))) == [confirmed]
        assert (await inbox.wait(3))[2].queue == "reports"


async def test_a_queue_with_other_arguments_hinders_no_other(unstarted: RabbitBackend) -> None:
    """As the default ones do, it names the argument; here the others go on."""
    await unstarted.start()
    name = unstarted.topology.amqp_name("reports")
    await unstarted.admin(lambda channel: channel.queue_declare(name, durable=True))
    await unstarted.broker.declare((*DEFAULT_QUEUES, "reports"))
    assert f"queue {name!r} in vhost" in unstarted.broker.refused_queues["reports"]
    assert list(await unstarted.broker.publish(messages(1))) == [PublishAnswer.CONFIRMED]
    assert unstarted.broker.status().connected


@pytest.mark.parametrize("kind", ["policy", "operator_policy"])
async def test_a_policy_that_lowers_the_delivery_limit_is_told(unstarted: RabbitBackend, kind: str) -> None:
    """The lowest of policy, operator policy and argument counts."""
    await unstarted.start(delivery_limit=50)
    inbox = Inbox()
    async with policy(unstarted, '{"delivery-limit":1}', kind=kind):
        await unstarted.broker.publish(messages(1))
        unstarted.broker.consume(["medium"], 1, lambda delivery: unstarted.broker.release([delivery]))
        unstarted.broker.consume_dead_letters(10, inbox.take_dead)
        (dead,) = await inbox.wait_dead(1)
    assert (dead.reason, dead.queue) == ("delivery_limit", "medium")
    (warning,) = [each for each in unstarted.broker.status().warnings if "policies" in each]
    assert unstarted.topology.amqp_name("medium") in warning
    assert "delivery-limit under 50" in warning


@pytest.mark.parametrize(
    ("definition", "named"),
    [
        ('{"max-length-bytes":30}', "max-length-bytes"),
        ('{"max-length":1,"overflow":"drop-head"}', "overflow"),
    ],
)
async def test_a_policy_that_drops_or_refuses_is_told(
    unstarted: RabbitBackend, definition: str, named: str
) -> None:
    """A policy's overflow goes before ours, so that RabbitMQ drops rather than refuses."""
    await unstarted.start()
    inbox = Inbox()
    unstarted.broker.consume_dead_letters(10, inbox.take_dead)
    async with policy(unstarted, definition):

        async def told() -> bool:
            await unstarted.broker.publish(messages(5))
            return any(named in each for each in unstarted.broker.status().warnings)

        await eventually(told)


async def test_a_dead_letter_may_come_back_for_ever(unstarted: RabbitBackend) -> None:
    """RabbitMQ 4 drops what came back more than 20 times, from a queue that states no limit."""
    await unstarted.start()
    inbox, returns = Inbox(), 0
    unstarted.broker.consume(["medium"], 1, lambda delivery: unstarted.broker.reject([delivery]))

    def give_back(dead: DeadDelivery) -> None:
        nonlocal returns
        returns += 1
        if returns <= 45:
            unstarted.broker.release([dead])
        else:
            inbox.take_dead(dead)

    unstarted.broker.consume_dead_letters(1, give_back)
    (sent,) = messages(1)
    await unstarted.broker.publish([sent])
    (dead,) = await inbox.wait_dead(1)
    assert (dead.body, dead.reason) == (sent.body, "rejected")


async def test_full_dead_letters_lose_none(unstarted: RabbitBackend) -> None:
    """A policy limits their length: RabbitMQ keeps what they refuse, and hands it over later."""
    # Milliseconds after which RabbitMQ hands over again what was refused; by default 3 minutes.
    timeout = "application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 500)."
    await control("eval", timeout)
    await unstarted.start()
    inbox = Inbox()
    sent = messages(20)
    async with policy(unstarted, '{"max-length":2}', queue="dead"):
        unstarted.broker.consume(["medium"], 20, lambda delivery: unstarted.broker.reject([delivery]))
        await unstarted.broker.publish(sent)
        await unstarted.wait_depth(0)
        unstarted.broker.consume_dead_letters(1, inbox.take_dead)

        async def all_came() -> bool:
            unstarted.broker.ack(inbox.dead)
            return {dead.body for dead in inbox.dead} == {each.body for each in sent}

        await eventually(all_came)
