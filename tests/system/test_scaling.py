"""The number of workers follows the load, as `/stats` shows it."""

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.tools.waiting import PATIENCE, wait_for

TASKS = 2_000
COOLDOWN = 2.0


def test_a_backlog_gets_fifty_workers_at_once_and_five_after_it(deploy: Deploy) -> None:
    """50 before the first task has ended, 5 again after the cooldown, and every attempt is counted."""
    deployment = deploy(WORKERS__COOLDOWN=COOLDOWN, WORKERS__LEASE=PATIENCE, FETCH__TIMEOUT=PATIENCE)
    deployment.serve()
    target = deployment.target
    ids = deployment.submit_many([target.url(f"/{n}", hold=deployment.name) for n in range(TASKS)])
    mark = target.count()
    consumer = deployment.consume()
    wait_for(lambda: target.count() - mark == 50, "50 fetches at once")
    workers = consumer.stats()["workers"]
    assert (workers["total"], workers["max"]) == (50, 50)
    target.release(deployment.name)
    deployment.wait_drained(TASKS)
    wait_for(lambda: consumer.stats()["workers"]["total"] == 5, "5 workers")
    report = audit_deployment(deployment, ids).check()
    assert (report.duplicates, report.attempts) == (0, 0)
    totals = consumer.stats()["totals"]
    assert (totals["started"], totals["succeeded"], totals["failed"]) == (TASKS, TASKS, 0)
