"""The memory broker against a model: a confirmed message is owed until it is acked, rejected or lost."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from taskrunner.brokers.base import DeadDelivery, Delivery, Publication, PublishAnswer
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.domain.events import Events

T = TypeVar("T")
QUEUES = st.sampled_from(["high", "low"])
PREFETCH = st.integers(1, 3)
PICKS = st.integers(0, 5)


class BrokerMachine(RuleBasedStateMachine):
    """One consumer of two queues, any calls and faults in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.numbers = itertools.count()
        self.owed: dict[bytes, str] = {}
        self.dead: set[bytes] = set()
        self.collected: set[bytes] = set()
        self.held: list[Delivery] = []
        self.prefetch = 0
        self.connected = True
        self.broker = MemoryBroker(Events(), delivery_limit=1000)
        self.do_async(self.broker.start)

    def act(self, call: Callable[[], object]) -> None:
        """Make a call, and let the deliveries that follow it happen."""

        async def act() -> None:
            call()
            for _ in range(3):
                await asyncio.sleep(0)

        self.loop.run(act())

    def do_async(self, call: Callable[[], Awaitable[T]]) -> T:
        async def act() -> T:
            answer = await call()
            for _ in range(3):
                await asyncio.sleep(0)
            return answer

        return self.loop.run(act())

    def on_delivery(self, delivery: Delivery) -> None:
        assert delivery.body in self.owed, "not owed, yet delivered"
        assert delivery.body not in {each.body for each in self.held}, "delivered twice at once"
        self.held.append(delivery)

    def on_dead(self, dead: DeadDelivery) -> None:
        self.collected.add(dead.body)

    @precondition(lambda self: self.connected)
    @rule(queue=QUEUES)
    def publish(self, queue: str) -> None:
        body = b"%d" % next(self.numbers)
        self.owed[body] = queue
        answers = self.do_async(
            lambda: self.broker.publish([Publication(queue=queue, body=body, task_id=body.decode())])
        )
        assert answers == [PublishAnswer.CONFIRMED]

    @rule(prefetch=PREFETCH)
    def consume(self, prefetch: int) -> None:
        self.prefetch = prefetch
        self.act(lambda: self.broker.consume(["high", "low"], prefetch, self.on_delivery))

    @rule()
    def cancel(self) -> None:
        self.act(self.broker.cancel_consume)

    @precondition(lambda self: self.held)
    @rule(pick=PICKS)
    def ack(self, pick: int) -> None:
        delivery = self.held.pop(pick % len(self.held))
        del self.owed[delivery.body]
        self.act(lambda: self.broker.ack([delivery, delivery]))

    @precondition(lambda self: self.held)
    @rule(pick=PICKS)
    def release(self, pick: int) -> None:
        delivery = self.held.pop(pick % len(self.held))
        self.act(lambda: self.broker.release([delivery]))

    @precondition(lambda self: self.held)
    @rule(pick=PICKS)
    def reject(self, pick: int) -> None:
        delivery = self.held.pop(pick % len(self.held))
        del self.owed[delivery.body]
        self.dead.add(delivery.body)
        self.act(lambda: self.broker.reject([delivery]))

    @rule()
    def disconnect(self) -> None:
        """Acks of deliveries from before have no effect."""
        stale, self.held, self.connected = self.held, [], False
        self.act(self.broker.disconnect)
        self.act(lambda: self.broker.ack(stale))

    @rule()
    def reconnect(self) -> None:
        self.connected = True
        self.act(self.broker.reconnect)

    @rule(queue=QUEUES)
    def lose(self, queue: str) -> None:
        out = {delivery.body for delivery in self.held}
        lost = [body for body, where in self.owed.items() if where == queue and body not in out]
        for body in lost:
            del self.owed[body]
        assert self.broker.lose(queue) == len(lost)

    @invariant()
    def no_more_than_the_prefetch(self) -> None:
        for queue in ("high", "low"):
            assert sum(each.queue == queue for each in self.held) <= max(self.prefetch, 3)

    @invariant()
    def depths_agree(self) -> None:
        if self.connected:
            depths = self.do_async(self.broker.depths)
            for queue in ("high", "low"):
                out = sum(each.queue == queue for each in self.held)
                owed = sum(where == queue for where in self.owed.values())
                assert depths[queue] == owed - out

    def teardown(self) -> None:
        """In the end every owed message is delivered, and the dead letters are the rejected ones."""
        self.reconnect()
        self.act(lambda: self.broker.consume(["high", "low"], 10_000, self.on_delivery))
        self.act(lambda: self.broker.consume_dead_letters(10_000, self.on_dead))
        assert {delivery.body for delivery in self.held} == set(self.owed)
        assert self.collected == self.dead
        self.loop.close()


def test_the_memory_broker_agrees_with_its_model() -> None:
    """Under any calls in any order, no owed message is lost and no other is delivered."""
    run_state_machine_as_test(BrokerMachine, settings=settings(stateful_step_count=40, deadline=None))
