"""kill -9 in the middle of a run: no accepted task is lost, and none runs after its end."""

import random
from collections.abc import Sequence
from pathlib import Path

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.ledger import SubmitLedger
from tests.system.harness.load import Load
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import wait_for

TASKS = 2_500
KILLS = 3
SEED = 3
# A lease is at least as long as an attempt may take.
SETTINGS = {
    "WORKERS__MIN_WORKERS": 20,
    "FETCH__TIMEOUT": 5,
    "FETCH__CONNECT_TIMEOUT": 5,
    "RETRY__BASE": 0.2,
}


def test_embedded(deploy: Deploy, tmp_path: Path) -> None:
    """The only process on a file does not wait for the leases of its predecessor, which are long here."""
    deployment = deploy(
        RABBIT__ADDR="memory://",
        STORE__URL=f"sqlite:///{tmp_path}/taskrunner.db",
        WORKERS__LEASE=600,
        **SETTINGS,
    )
    assert deployment.run("db", "upgrade").returncode == 0
    kill_in_turn(deployment, [deployment.everything()], tmp_path)


def test_rabbitmq_and_postgres(schema_url: str, deploy: Deploy, tmp_path: Path) -> None:
    """The consumer and the API in turn; the tasks of a dead consumer run again when their leases end."""
    deployment = deploy(STORE__URL=schema_url, WORKERS__LEASE=6, **SETTINGS)
    assert deployment.run("db", "upgrade").returncode == 0
    kill_in_turn(deployment, [deployment.consume(), deployment.serve()], tmp_path)


def kill_in_turn(deployment: Deployment, processes: Sequence[TaskrunnerProcess], folder: Path) -> None:
    """Kill and restart processes at chosen request counts, while tasks are submitted and run."""
    target, victims = deployment.target, list(processes)
    moments = sorted(random.Random(SEED).sample(range(TASKS // 20, TASKS * 9 // 10), KILLS))
    mark = target.count()
    ledger = SubmitLedger(folder / "submits.jsonl")

    def reached(moment: int) -> bool:
        return target.count() - mark >= moment

    def url(number: int) -> str:
        return target.url(f"/{number}", delay=0.02)

    with Load([deployment.api.port], ledger, url=url, limit=TASKS, prefix=deployment.name):
        for turn, moment in enumerate(moments):
            wait_for(lambda moment=moment: reached(moment), f"request {moment}")  # type: ignore[misc]
            which = turn % len(victims)
            victims[which].kill()
            victims[which] = deployment.again(victims[which]).wait_ready()
    ledger.close()
    assert len(ledger.accepted) == TASKS
    deployment.wait_drained(TASKS)
    audit_deployment(deployment, ledger.accepted).check()
