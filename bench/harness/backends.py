"""The servers that the contenders use, wiped before every run so that each finds the same."""

import os
import time

import pika
import redis

_QUEUES = [
    *("taskrunner.high", "taskrunner.medium", "taskrunner.low", "taskrunner.dead"),
    *("bench-dramatiq", "bench-dramatiq.DQ", "bench-dramatiq.XQ"),
]
_REWRITE_WITHIN = 60.0


class BackendsUnfit(Exception):
    """There is no RabbitMQ, Redis or PostgreSQL to use, or one that must not be wiped."""


class Backends:
    """All servers, from the environment that `scripts/services.py run` makes."""

    def __init__(self) -> None:
        try:
            self.rabbitmq_url = os.environ["TASKRUNNER_TEST_RABBITMQ_URL"]
            self.redis_url = os.environ["TASKRUNNER_TEST_REDIS_URL"]
            self.postgres_url = os.environ["TASKRUNNER_TEST_POSTGRES_URL"]
        except KeyError as exc:
            raise BackendsUnfit(
                f"{exc.args[0]} is not set: run `make bench`, or\n"
                "  python scripts/services.py run --with rabbitmq,redis,postgres -- python bench/run.py"
            ) from exc
        self.redis = redis.Redis.from_url(self.redis_url, decode_responses=True)
        if self.redis.info("keyspace"):
            raise BackendsUnfit("the Redis of TASKRUNNER_TEST_REDIS_URL holds keys, and a bench wipes it")
        if self.redis.config_get("appendonly") != {"appendonly": "yes"}:
            raise BackendsUnfit("the Redis of TASKRUNNER_TEST_REDIS_URL has no append-only file")

    def reset(self) -> None:
        """No keys, an empty append-only file, no queues."""
        # A million records take longer to free than a client waits for.
        self.redis.flushall(asynchronous=True)
        self.redis.bgrewriteaof()
        deadline = time.monotonic() + _REWRITE_WITHIN
        while self._is_rewriting() and time.monotonic() < deadline:
            time.sleep(0.05)
        with pika.BlockingConnection(pika.URLParameters(self.rabbitmq_url)) as connection:
            channel = connection.channel()
            for queue in _QUEUES:
                channel.queue_delete(queue)

    def depth(self, queue: str) -> int:
        """Ready messages of a queue that exists."""
        with pika.BlockingConnection(pika.URLParameters(self.rabbitmq_url)) as connection:
            answer = connection.channel().queue_declare(queue, passive=True)
            depth: int = answer.method.message_count
            return depth

    def versions(self) -> dict[str, str]:
        with pika.BlockingConnection(pika.URLParameters(self.rabbitmq_url)) as connection:
            facts = connection._impl.server_properties  # its only way to the version
        return {
            "rabbitmq": str(facts["version"]),
            "redis": str(self.redis.info("server")["redis_version"]),
        }

    def _is_rewriting(self) -> bool:
        facts = self.redis.info("persistence")
        return bool(facts["aof_rewrite_in_progress"] or facts["aof_rewrite_scheduled"])
