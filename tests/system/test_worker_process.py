"""The worker threads' process: it ends with its parent, and the parent goes on when it dies or hangs."""

import os
import signal

import psutil
import pytest

from tests.system.conftest import Deploy
from tests.system.harness.audit import Audit, audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import wait_for

BUSY = 20
# A dead consumer's tasks wait for the end of their lease, so it is as short as the limits allow.
SHORT = {
    "WORKERS__LEASE": 10,
    "FETCH__TIMEOUT": 10,
    "FETCH__CONNECT_TIMEOUT": 10,
}


def busy(
    deploy: Deploy, *, max_attempts: int = 1, **settings: object
) -> tuple[Deployment, TaskrunnerProcess, list[str]]:
    """A deployment with `BUSY` tasks at the target, which holds them, and as many behind them."""
    workers = {"WORKERS__MIN_WORKERS": BUSY, "WORKERS__MAX_WORKERS": BUSY, "WORKERS__PROCESSES": 1}
    deployment = deploy(**{**workers, **settings})
    deployment.serve()
    consumer = deployment.consume()
    urls = [deployment.target.url(f"/{number}", hold=deployment.name) for number in range(2 * BUSY)]
    mark = deployment.target.count()
    ids = deployment.submit_many(urls, max_attempts=str(max_attempts))
    wait_for(lambda: deployment.target.count() - mark == BUSY, "running tasks")
    return deployment, consumer, ids


def finish(deployment: Deployment, ids: list[str]) -> Audit:
    """Let the target answer, and wait for the end of all tasks."""
    deployment.target.release(deployment.name)
    deployment.wait_drained(len(ids))
    return audit_deployment(deployment, ids).check()


def worker_processes(consumer: TaskrunnerProcess) -> list[int | None]:
    return [process["pid"] for process in consumer.stats()["workers"]["processes"]]


def worker_process(consumer: TaskrunnerProcess) -> int:
    """The first of them."""
    pid = worker_processes(consumer)[0]
    assert pid is not None
    assert psutil.Process(pid).ppid() == consumer.process.pid
    return pid


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_it_ends_with_its_parent(deploy: Deploy, stopped: bool) -> None:
    """No orphan goes on to fetch: each task is run once more by the next consumer, and none is doubled."""
    deployment, consumer, ids = busy(deploy, max_attempts=2, **SHORT)
    pid = worker_process(consumer)
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    consumer.kill()
    wait_for(lambda: not psutil.pid_exists(pid), "the worker process is gone")
    deployment.consume()
    report = finish(deployment, ids)
    assert (report.attempts, report.duplicates) == (BUSY, 0)


def test_when_it_dies_no_attempt_counts_and_another_takes_its_place(deploy: Deploy) -> None:
    """Without waiting for a lease: tasks with one attempt succeed in their second."""
    deployment, consumer, ids = busy(deploy)
    os.kill(pid := worker_process(consumer), signal.SIGKILL)
    wait_for(lambda: worker_processes(consumer)[0] not in {None, pid}, "another process")
    report = finish(deployment, ids)
    assert report.attempts >= BUSY
    assert report.duplicates == 0
    stats = consumer.stats()
    assert stats["totals"]["leases_expired"] == 0
    (process,) = stats["workers"]["processes"]
    assert stats["totals"]["processes_lost"] == process["losses"] == 1
    assert process["last_loss"] == "signal SIGKILL"
    assert process["pid"] != pid
    assert "worker_process_lost" in consumer.logged()


def test_when_one_of_two_dies_the_other_goes_on(deploy: Deploy) -> None:
    """Only what the one had in its hands runs a second time, and no attempt of it counts."""
    deployment, consumer, ids = busy(deploy, WORKERS__PROCESSES=2)
    assert len(set(worker_processes(consumer))) == 2
    os.kill(pid := worker_process(consumer), signal.SIGKILL)
    wait_for(lambda: worker_processes(consumer)[0] not in {None, pid}, "another process")
    report = finish(deployment, ids)
    assert report.duplicates == 0
    assert 0 < report.attempts <= BUSY / 2
    assert [each["losses"] for each in consumer.stats()["workers"]["processes"]] == [1, 0]


def test_when_it_hangs_it_is_replaced(deploy: Deploy) -> None:
    """Its leases are renewed by its parent, so nobody else would ever run its tasks."""
    deployment, consumer, ids = busy(deploy)
    os.kill(pid := worker_process(consumer), signal.SIGSTOP)
    wait_for(lambda: not psutil.pid_exists(pid), "it is killed")
    report = finish(deployment, ids)
    assert report.attempts >= BUSY
    assert consumer.stats()["totals"]["leases_expired"] == 0


def test_while_it_dies_again_and_again_the_consumer_is_not_ready(deploy: Deploy) -> None:
    """The reason is told, and it is ready again once a process has lived for a while."""
    deployment = deploy(WORKERS__PROCESSES=1)
    consumer = deployment.consume()
    pid = 0
    for _ in range(3):
        wait_for(lambda: worker_processes(consumer)[0] not in {None, pid}, "another process")
        os.kill(pid := worker_process(consumer), signal.SIGKILL)

    def refusal() -> str:
        answer = consumer.get("/readyz")
        return str(answer.json) if answer.status == 503 else ""

    assert "the worker process died 3 times in a row" in wait_for(refusal, "it is not ready")
    consumer.wait_ready()


def test_an_end_while_it_hangs_is_in_good_order(deploy: Deploy) -> None:
    """SIGTERM: what the process does not give back is given up after the grace, and runs elsewhere."""
    deployment, consumer, ids = busy(deploy, WORKERS__SHUTDOWN_GRACE=0.5)
    os.kill(pid := worker_process(consumer), signal.SIGSTOP)
    consumer.signal(signal.SIGTERM)
    assert consumer.wait() == 0
    assert not psutil.pid_exists(pid)
    assert deployment.counts()["running"] == 0
    deployment.consume()
    finish(deployment, ids)


def test_an_end_while_it_starts_is_in_good_order(deploy: Deploy) -> None:
    """SIGTERM right after the start: nobody waits for a process that is not up yet."""
    deployment = deploy()
    deployment.serve()
    ids = deployment.submit_many([deployment.target.url(f"/{number}") for number in range(BUSY)])
    consumer = deployment.consume(ready=False)
    wait_for(lambda: psutil.Process(consumer.process.pid).children(), "it was started")
    consumer.signal(signal.SIGTERM)
    assert consumer.wait() == 0
    assert deployment.counts()["running"] == 0
    deployment.consume()
    deployment.wait_drained(len(ids))
    audit_deployment(deployment, ids).check()
