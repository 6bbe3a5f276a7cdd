"""The bench's job on Dramatiq: GET a URL with requests, keep the answer as the result in Redis.

    dramatiq dramatiq_app -p 1 -t 50              run what is queued
    python dramatiq_app.py URL COUNT              queue COUNT messages; "{n}" in URL becomes the number

It runs in a virtual environment of its own. Dramatiq declares classic queues and has no setting for another
type, so the one method that builds the queues' arguments is overridden: all contenders get quorum queues.
"""

import os
import sys
import threading
from typing import Any

import dramatiq  # type: ignore[import-not-found]  # it is in an environment of its own; so with all below
import requests
from dramatiq.brokers.rabbitmq import RabbitmqBroker  # type: ignore[import-not-found]
from dramatiq.results import Results  # type: ignore[import-not-found]
from dramatiq.results.backends import RedisBackend  # type: ignore[import-not-found]

QUEUE = "bench-dramatiq"
_local = threading.local()


class QuorumBroker(RabbitmqBroker):  # type: ignore[misc]
    """Dramatiq's broker, on quorum queues."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        return {**super()._build_queue_arguments(queue_name), "x-queue-type": "quorum"}


broker = QuorumBroker(url=os.environ["TASKRUNNER_TEST_RABBITMQ_URL"])
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["TASKRUNNER_TEST_REDIS_URL"])))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE, store_results=True)  # type: ignore[untyped-decorator]
def fetch(url: str) -> dict[str, Any]:
    """GET the URL on the thread's own session, so that connections are kept alive; "noop" does nothing."""
    if url == "noop":
        return {}
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    response = _local.session.get(url, timeout=30)
    return {"status": response.status_code, "body": response.text}


def main() -> None:
    pattern, count = sys.argv[1], int(sys.argv[2])
    for number in range(count):
        fetch.send(pattern.replace("{n}", str(number)))
    broker.close()


if __name__ == "__main__":
    main()
