"""Many tasks at once, by every way in: each succeeds and is stored exactly once."""

import json
from pathlib import Path

from tests.system.harness.audit import audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.ledger import SubmitLedger
from tests.system.harness.load import Load

BULK = 10_000
POSTS = 2_000
CONNECTIONS = 50
QUEUES = ("high", "medium", "low")


def test_every_task_of_bulk_and_of_many_connections_succeeds_once(
    deployment: Deployment, tmp_path: Path
) -> None:
    """10,000 lines of all queues by `produce --file -` while 50 connections post 2,000 tasks."""
    target = deployment.target
    lines = [
        json.dumps({"url": target.url(f"/bulk/{number}"), "priority": QUEUES[number % 3]})
        for number in range(BULK)
    ]
    ledger = SubmitLedger(tmp_path / "submits.jsonl")

    def url(number: int) -> str:
        return target.url(f"/post/{number}")

    with Load(
        [deployment.api.port],
        ledger,
        url=url,
        connections=CONNECTIONS,
        limit=POSTS,
        prefix=deployment.name,
    ):
        ids = deployment.submit_many(lines)
    ledger.close()
    assert len(set(ids)) == BULK
    assert len(ledger.accepted) == POSTS
    deployment.wait_drained(BULK + POSTS)
    report = audit_deployment(deployment, [*ids, *ledger.accepted]).check()
    assert (report.records, report.duplicates, report.attempts) == (BULK + POSTS, 0, 0)
    assert deployment.counts()["succeeded"] == BULK + POSTS
    # The watchdog would heal a queue that got stuck, and so hide that it did.
    consumer = deployment.processes[-1]
    assert consumer.get("/health").json["checks"]["rabbitmq"]["details"]["stalls_healed"] == "0"
    assert consumer.stats()["reconnects"] == {"rabbitmq": 0, "redis": 0}
