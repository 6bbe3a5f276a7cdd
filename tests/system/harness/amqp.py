"""A foreign AMQP client, in plain pika."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel


@contextlib.contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()


def publish(url: str, exchange: str, queue: str, body: bytes, **properties: Any) -> None:
    """Publish one message, and return once the broker has confirmed it."""
    with channel(url) as opened:
        opened.confirm_delivery()
        opened.basic_publish(exchange, queue, body, pika.BasicProperties(**properties), mandatory=True)


def depth(url: str, queue: str) -> int:
    """Ready messages in a queue."""
    with channel(url) as opened:
        return int(opened.queue_declare(queue, passive=True).method.message_count)
