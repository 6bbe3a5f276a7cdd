"""The bench's job on Celery: GET a URL with requests, keep the answer as the result in Redis.

    celery -A celery_app worker --pool threads --concurrency 50     run what is queued
    python celery_app.py URL COUNT              queue COUNT messages; "{n}" in URL becomes the number

It runs in the virtual environment of Dramatiq's job. Its queue is a quorum queue, and a message is
acknowledged when its job has ended, as with the other contenders.
"""

import os
import sys
import threading
from typing import Any

import requests
from celery import Celery  # type: ignore[import-not-found]  # it is in an environment of its own

QUEUE = "bench-celery"
_local = threading.local()

app = Celery(
    "celery_app",
    broker=os.environ["TASKRUNNER_TEST_RABBITMQ_URL"],
    backend=os.environ["TASKRUNNER_TEST_REDIS_URL"],
)
app.conf.update(
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_acks_late=True,
    broker_transport_options={"confirm_publish": True},
    worker_hijack_root_logger=False,
)


@app.task(name="fetch")  # type: ignore[untyped-decorator]
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
        fetch.delay(pattern.replace("{n}", str(number)))


if __name__ == "__main__":
    main()
