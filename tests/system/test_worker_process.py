"""The worker threads' process: it ends with its parent, and the parent goes on when it dies or hangs."""

import os
import signal

import psutil
import pytest

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import ClaimedAttempt
from tests.system.harness.waiting import wait_for

BUSY = 20
# A dead consumer's tasks wait for the end of their lease, so it is as short as the limits allow.
SHORT = {
    "WORKERS__LEASE": 5,
    "FETCH__TIMEOUT": 5,
    "FETCH__CONNECT_TIMEOUT": 5,
    "REDIS__TIMEOUT": 2,
    "REDIS__DIAL_TIMEOUT": 2,
}


def busy(
    deploy: Deploy, *, max_attempts: int = 1, **settings: object
) -> tuple[Deployment, ClaimedAttempt, list[str]]:
    """A deployment with `BUSY` tasks at the target and as many behind them."""
    workers = {"WORKERS__MIN_WORKERS": BUSY, "WORKERS__MAX_WORKERS": BUSY, "WORKERS__PROCESSES": 1}
    deployment = deploy(**{**workers, **settings})
    deployment.serve()
    consumer = deployment.consume()
    urls = [deployment.target.url(f"/{number}", delay=1.5) for number in range(2 * BUSY)]
    mark = deployment.target.count()
    ids = deployment.submit_many(urls, max_attempts=str(max_attempts))
    wait_for(lambda: deployment.target.count() - mark >= BUSY, "running tasks")
    return deployment, consumer, ids


def worker_processes(consumer: ClaimedAttempt) -> list[int | None]:
    return [process["pid"] for process in consumer.stats()["workers"]["processes"]]


def worker_process(consumer: ClaimedAttempt) -> int:
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
    wait_for(lambda: not psutil.pid_exists(pid), "the worker process is gone", within=5)
    deployment.consume()
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    assert (report.attempts, report.duplicates) == (BUSY, 0)


def test_when_it_dies_no_attempt_counts_and_another_takes_its_place(deploy: Deploy) -> None:
    """Without waiting for a lease: tasks with one attempt succeed in their second."""
    deployment, consumer, ids = busy(deploy)
    os.kill(pid := worker_process(consumer), signal.SIGKILL)
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
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
    os.kill(worker_process(consumer), signal.SIGKILL)
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    assert report.duplicates == 0
    assert 0 < report.attempts <= BUSY / 2
    assert [each["losses"] for each in consumer.stats()["workers"]["processes"]] == [1, 0]


def test_when_it_hangs_it_is_replaced(deploy: Deploy) -> None:
    """Its leases are renewed by its parent, so nobody else would ever run its tasks."""
    deployment, consumer, ids = busy(deploy)
    os.kill(pid := worker_process(consumer), signal.SIGSTOP)
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    assert report.attempts >= BUSY
    assert consumer.stats()["totals"]["leases_expired"] == 0
    assert not psutil.pid_exists(pid)


def test_while_it_dies_again_and_again_the_consumer_is_not_ready(deploy: Deploy) -> None:
    """The reason is told, and it is ready again once a process has lived for a while."""
    deployment = deploy(WORKERS__PROCESSES=1)
    consumer = deployment.consume()
    pid = 0
    for _ in range(3):
        wait_for(lambda: worker_processes(consumer)[0] not in {None, pid}, "another process")
        os.kill(pid := worker_process(consumer), signal.SIGKILL)
    wait_for(lambda: consumer.get("/readyz").status == 503, "it is not ready")
    assert "the worker process died 3 times in a row" in str(consumer.get("/readyz").json)
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
    deployment.wait_drained(len(ids))
    audit_deployment(deployment, ids).check()


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
