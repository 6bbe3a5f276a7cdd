"""Makes brokers for the contract tests, breaks them, and looks at them from outside."""

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import pika

from taskrunner.brokers.base import Broker, DeadDelivery, Delivery, Publication
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.brokers.topology import Topology
from taskrunner.domain.events import Event, Events
from taskrunner.domain.tasks.new_task import new_task_id
from tests.tools.proxy import Proxy
from tests.tools.waiting import PATIENCE, eventually, in_time

# Queues that tests declare beside the default ones.
DECLARED = ("reports", "mails")


class Inbox:
    """Collects deliveries; tests wait for their number."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.dead: list[DeadDelivery] = []
        self._more = asyncio.Event()

    def take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._more.set()

    def take_dead(self, delivery: DeadDelivery) -> None:
        self.dead.append(delivery)
        self._more.set()

    async def wait(self, count: int) -> list[Delivery]:
        await self._until(lambda: len(self.deliveries) >= count)
        return self.deliveries

    async def wait_dead(self, count: int) -> list[DeadDelivery]:
        await self._until(lambda: len(self.dead) >= count)
        return self.dead

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with in_time("deliveries"):
            while not reached():
                self._more.clear()
                await self._more.wait()


def messages(count: int, queue: str = "medium", size_bytes: int = 20) -> list[Publication]:
    """Distinct publications whose bodies begin with their number."""
    return [
        Publication(queue=queue, body=b"%d:".ljust(size_bytes, b"x") % number, task_id=new_task_id())
        for number in range(count)
    ]


class Backend(ABC):
    """One broker under test, started and ready, with the means to break it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.bus = Events()
        self.bus.subscribe(self.events.append)

    broker: Broker

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def reopen(self) -> None:
        """Stop the broker and start another on the same queues."""

    @abstractmethod
    async def cut(self) -> None:
        """Break every connection; it can be made again at once."""

    @abstractmethod
    async def unplug(self) -> None:
        """Break every connection; none can be made until `plug`."""

    @abstractmethod
    async def plug(self) -> None: ...

    @abstractmethod
    async def delete(self, queue: str) -> None:
        """Delete the queue in the broker, as an operator may."""

    @abstractmethod
    async def purge(self, queue: str) -> None: ...

    async def depth(self, queue: str = "medium") -> int:
        return (await self.broker.depths())[queue]

    async def wait_depth(self, count: int, queue: str = "medium") -> None:
        async def reached() -> bool:
            return await self.depth(queue) == count

        await eventually(reached)


class MemoryBackend(Backend):
    broker: MemoryBroker

    async def open(self) -> None:
        self.broker = MemoryBroker(self.bus, delivery_limit=3)
        await self.broker.start()
        await self.broker.wait_ready(1)

    async def close(self) -> None:
        await self.broker.stop()

    async def reopen(self) -> None:
        await self.broker.stop()
        await self.broker.start()

    async def cut(self) -> None:
        self.broker.disconnect()
        self.broker.reconnect()

    async def unplug(self) -> None:
        self.broker.disconnect()

    async def plug(self) -> None:
        self.broker.reconnect()

    async def delete(self, queue: str) -> None:
        self.broker.delete(queue)

    async def purge(self, queue: str) -> None:
        self.broker.lose(queue)


class RabbitBackend(Backend):
    """Connects through a proxy, to queues of its own, which it deletes at the end."""

    broker: RabbitBroker

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        parts = urlsplit(self.url)
        self.proxy = Proxy(parts.hostname or "localhost", parts.port or 5672)
        self.topology = Topology(exchange=f"test-{uuid.uuid4().hex[:12]}")

    def settings(self, **changes: Any) -> RabbitSettings:
        parts = urlsplit(self.url)
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{self.proxy.port}"
        facts: dict[str, Any] = {
            "addresses": (parts._replace(netloc=netloc).geturl(),),
            "exchange": self.topology.exchange,
            "delivery_limit": 3,
            "client_name": self.topology.exchange,
        }
        return RabbitSettings(**facts | changes)

    async def open(self) -> None:
        await self.proxy.listen()
        await self.start()

    async def start(self, **changes: Any) -> None:
        """Start a broker with some settings changed."""
        self.broker = RabbitBroker(self.settings(**changes), self.bus)
        await self.broker.start()
        await self.broker.wait_ready(PATIENCE)

    async def close(self) -> None:
        await self.broker.stop()
        await self.proxy.__aexit__()
        await self.admin(self._delete_all)

    async def reopen(self) -> None:
        await self.broker.stop()
        await self.start()

    async def cut(self) -> None:
        self.proxy.reset()
        await eventually(lambda: not self.broker.status().connected)

    async def unplug(self) -> None:
        await self.proxy.refuse()
        await eventually(lambda: not self.broker.status().connected)

    async def plug(self) -> None:
        await self.proxy.listen()

    async def delete(self, queue: str) -> None:
        await self.admin(lambda channel: channel.queue_delete(self.topology.amqp_name(queue)))

    async def purge(self, queue: str) -> None:
        await self.admin(lambda channel: channel.queue_purge(self.topology.amqp_name(queue)))

    async def admin(self, act: Callable[[Any], object]) -> None:
        """Act as another client, without the proxy."""

        def run() -> None:
            with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
                act(connection.channel())

        await asyncio.to_thread(run)

    def _delete_all(self, channel: Any) -> None:
        for declaration in self.topology.basic_declarations:
            channel.queue_delete(declaration.name)
        for queue in DECLARED:
            channel.queue_delete(self.topology.amqp_name(queue))
        for exchange in self.topology.exchanges:
            channel.exchange_delete(exchange)


def bodies(deliveries: Sequence[Delivery | DeadDelivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]
