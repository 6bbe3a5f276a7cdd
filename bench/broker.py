"""Confirmed publishes and consume + ack per second of the RabbitMQ adapter, beside a bare pika loop.

    python scripts/services.py run --with rabbitmq -- python bench/broker.py [--count 30000] [--rounds 3]

Both sides run in turn in one process against the same node, on a quorum queue with the same arguments, with
bodies of 400 bytes. The bare loop is the fastest that the public methods of pika's asyncio adapter allow:
everything is written at once, and confirms and deliveries are only counted. `cpu` is the client's processor
time per message, during which the event loop does nothing else.
"""

import argparse
import asyncio
import os
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from taskrunner.brokers.base import Delivery, Publication
from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.brokers.topology import Topology
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.new_task import new_task_id

BODY = b"b" * 400
PREFETCH = 500
BATCH = 500
CALLS = 4  # concurrent publishes, as of intake and relay
Figures = dict[str, list[tuple[float, float]]]


async def measure(figures: Figures, name: str, count: int, run: Callable[[], Awaitable[object]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    await run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    figures.setdefault(name, []).append((count / wall, cpu / count * 1e6))


async def bench_adapter(url: str, topology: Topology, count: int, figures: Figures) -> None:
    broker = RabbitBroker(RabbitSettings(addresses=(url,), exchange=topology.exchange), Events())
    await broker.start()
    await broker.wait_ready(10)
    batches = [
        [Publication(queue="medium", body=BODY, task_id=new_task_id()) for _ in range(BATCH)]
        for _ in range(count // BATCH)
    ]

    async def caller() -> None:
        while batches:
            await broker.publish(batches.pop())

    async def publish() -> None:
        await asyncio.gather(*(caller() for _ in range(CALLS)))

    await measure(figures, "publish adapter", count, publish)

    async def consume() -> None:
        done = asyncio.Event()
        held: list[Delivery] = []
        seen = 0

        def take(delivery: Delivery) -> None:
            nonlocal seen
            if not held:
                asyncio.get_running_loop().call_soon(flush)
            held.append(delivery)
            seen += 1
            if seen == count:
                done.set()

        def flush() -> None:
            broker.ack(held)
            held.clear()

        broker.consume(["medium"], PREFETCH, take)
        await done.wait()
        await asyncio.sleep(0)

    await measure(figures, "consume adapter", count, consume)
    await broker.stop()


async def bench_bare(url: str, topology: Topology, count: int, figures: Figures) -> None:
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Any] = loop.create_future()
    connection = AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=lambda each: each.channel(on_open_callback=opened.set_result),
        custom_ioloop=loop,
    )
    channel = await opened
    done = asyncio.Event()

    def confirmed(answer: Any) -> None:
        if answer.method.delivery_tag == count:
            done.set()

    selected = asyncio.Event()
    channel.confirm_delivery(confirmed, callback=lambda _: selected.set())
    await selected.wait()

    async def publish() -> None:
        for number in range(count):
            properties = pika.BasicProperties("application/json", delivery_mode=2, message_id=new_task_id())
            channel.basic_publish(topology.exchange, "medium", BODY, properties, mandatory=True)
            if number % BATCH == 0:
                await asyncio.sleep(0)
        await done.wait()

    await measure(figures, "publish bare pika", count, publish)
    taken = asyncio.Event()
    seen = 0

    def take(_: object, method: Any, _properties: object, _body: bytes) -> None:
        nonlocal seen
        seen += 1
        channel.basic_ack(method.delivery_tag)
        if seen == count:
            taken.set()

    async def consume() -> None:
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(topology.amqp_name("medium"), take)
        await taken.wait()

    await measure(figures, "consume bare pika", count, consume)
    connection.close()
    await asyncio.sleep(0.1)


async def declare_and_delete(url: str, topology: Topology, bench: Callable[[], Awaitable[None]]) -> None:
    broker = RabbitBroker(RabbitSettings(addresses=(url,), exchange=topology.exchange), Events())
    await broker.start()
    await broker.wait_ready(10)
    await broker.stop()
    try:
        await bench()
    finally:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            for declaration in topology.basic_declarations:
                channel.queue_delete(declaration.name)
            for exchange in topology.exchanges:
                channel.exchange_delete(exchange)


def report(figures: Figures) -> None:
    def median(name: str, index: int) -> float:
        return statistics.median(figure[index] for figure in figures[name])

    for act in ("publish", "consume"):
        for who in ("bare pika", "adapter"):
            rate, cpu = median(f"{act} {who}", 0), median(f"{act} {who}", 1)
            print(f"{act:8} {who:10} {rate:9,.0f} /s   cpu {cpu:5.1f} µs")
        ratio = median(f"{act} adapter", 0) / median(f"{act} bare pika", 0)
        print(f"{act:8} ratio      {ratio:9.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = options.count // BATCH * BATCH
    url = os.environ["TASKRUNNER_TEST_RABBITMQ_URL"]
    topology = Topology(exchange=f"bench-{uuid.uuid4().hex[:8]}")
    figures: Figures = {}

    async def rounds() -> None:
        for _ in range(options.rounds):
            await bench_bare(url, topology, count, figures)
            await bench_adapter(url, topology, count, figures)

    await declare_and_delete(url, topology, rounds)
    report(figures)


if __name__ == "__main__":
    asyncio.run(main())
