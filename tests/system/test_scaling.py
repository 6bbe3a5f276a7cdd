"""The number of workers follows the load, as `/stats` shows it."""

import time
from itertools import pairwise

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.system.harness.waiting import wait_for

TASKS = 2_000
SECONDS = 0.2
COOLDOWN = 2.0


def test_a_backlog_gets_fifty_workers_at_once_and_five_after_it(deploy: Deploy) -> None:
    """50 soon after the first delivery, 5 again after the cooldown, and every attempt is counted."""
    deployment = deploy(WORKERS__COOLDOWN=COOLDOWN)
    deployment.serve()
    ids = deployment.submit_many([deployment.target.url(f"/{n}", delay=SECONDS) for n in range(TASKS)])
    mark = deployment.target.count()
    consumer = deployment.consume()
    seen: list[tuple[float, int, int]] = []

    def at_peak() -> bool:
        workers = consumer.stats()["workers"]
        seen.append((time.time(), workers["total"], workers["busy"]))
        return bool(workers["total"] == workers["max"] == 50)

    wait_for(at_peak, "50 workers", within=30)
    reached = time.time()
    wait_for(lambda: deployment.target.count() > mark, "a first fetch", within=30)
    # 2 s on a machine that does nothing else.
    assert reached - deployment.target.hits(mark)[0].at < 10.0, seen
    deployment.wait_drained(TASKS)
    wait_for(lambda: consumer.stats()["workers"]["total"] == 5, "5 workers", within=30)
    report = audit_deployment(deployment, ids).check()
    assert (report.duplicates, report.attempts) == (0, 0)
    totals = consumer.stats()["totals"]
    assert (totals["started"], totals["succeeded"], totals["failed"]) == (TASKS, TASKS, 0)
    hits = [hit.at for hit in deployment.target.hits(mark)]
    assert all(a <= b for a, b in pairwise(hits))
    # With 50 workers 2,000 tasks of 200 ms take 8 s; at the minimum of 5 they would take 80.
    assert hits[-1] - hits[0] < 40
