"""`taskrunner all`, one process, on each pair of services: it runs tasks, ends cleanly, and goes on."""

import signal

import pytest

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.tools.waiting import PATIENCE, wait_for

TASKS = 60
WORKERS = 5


@pytest.mark.parametrize("pair", ["rabbitmq+redis", "rabbitmq+postgres", "memory+postgres"])
def test_what_waits_at_the_end_goes_on_at_the_next_start(pair: str, schema_url: str, deploy: Deploy) -> None:
    """SIGTERM while tasks run: exit code 0; no task is lost, runs twice, or loses its only attempt."""
    broker, store = pair.split("+")
    deployment = deploy(
        **({"RABBIT__ADDR": "memory://"} if broker == "memory" else {}),
        **({"STORE__URL": schema_url} if store == "postgres" else {}),
        WORKERS__MIN_WORKERS=WORKERS,
        WORKERS__MAX_WORKERS=WORKERS,
        WORKERS__LEASE=PATIENCE,
        FETCH__TIMEOUT=PATIENCE,
    )
    upgraded = deployment.run("db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    first = deployment.everything()
    mark = deployment.target.count()
    slow = deployment.target.url("/slow", hold=deployment.name)
    ids = deployment.submit_many([slow] * TASKS, max_attempts="1")
    ids += [deployment.submit(slow, max_attempts=1) for _ in range(WORKERS)]
    wait_for(lambda: deployment.target.count() - mark == WORKERS, "running tasks")
    first.signal(signal.SIGTERM)
    deployment.target.release(deployment.name)
    assert first.wait() == 0
    deployment.again(first).wait_ready()
    deployment.wait_drained(len(ids))
    assert audit_deployment(deployment, ids).check().duplicates == 0
