"""Crashes and restarts under load: every accepted task succeeds."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from redis import Redis
from servers.fleet import Fleet

from tests.system.conftest import Deploy
from tests.system.harness import amqp
from tests.system.harness.audit import Audit, audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.ledger import SubmitLedger
from tests.system.harness.load import Load
from tests.tools.waiting import wait_for

# A dead consumer's tasks wait for the end of their lease, so it is as short as the limits allow.
SETTINGS = {
    "WORKERS__LEASE": 5,
    "WORKERS__MIN_WORKERS": 50,
    "FETCH__TIMEOUT": 5,
    "FETCH__CONNECT_TIMEOUT": 5,
    "REDIS__TIMEOUT": 2,
    "REDIS__DIAL_TIMEOUT": 2,
    "RABBIT__PUBLISH_TIMEOUT": 2,
    "RELAY__HOLD": 3,
    "RELAY__FORGOTTEN_AFTER": 10,
}
# Held fetches must not time out before the fault, however busy the machine is.
PATIENT = {**SETTINGS, "WORKERS__LEASE": 15, "FETCH__TIMEOUT": 15, "FETCH__CONNECT_TIMEOUT": 15}
TASKS = 300
RATE = 200


@pytest.fixture
def whole(deploy: Deploy, fleet: Fleet) -> Deployment:
    """Two APIs and two consumers on servers that may be broken."""
    deployment = deploy(fleet=fleet, **SETTINGS)
    for start in (deployment.serve, deployment.consume) * 2:
        start(ready=False)
    for running in deployment.processes:
        running.wait_ready()
    return deployment


@contextlib.contextmanager
def under_load(deployment: Deployment, folder: Path) -> Iterator[SubmitLedger]:
    """A steady load on both APIs: `TASKS` tasks before the body, and `TASKS` after it."""
    ports = [running.port for running in deployment.processes if running.name.startswith("serve")]
    ledger = SubmitLedger(folder / "submits.jsonl")

    def url(number: int) -> str:
        return deployment.target.url(f"/{number}", delay=0.1)

    with Load(ports, ledger, url=url, rate=RATE, prefix=deployment.name):
        wait_for(lambda: len(ledger.accepted) >= TASKS, "load")
        yield ledger
        before = len(ledger.accepted)
        wait_for(lambda: len(ledger.accepted) >= before + TASKS, "load goes on after the fault")
    ledger.close()


def all_succeed(deployment: Deployment, ledger: SubmitLedger) -> Audit:
    """Wait until every task has ended, and compare the ledgers with the store."""
    deployment.wait_drained(len(ledger.accepted))
    report = audit_deployment(deployment, ledger.accepted, ledger.unsure)
    print(f"{report.accepted} accepted, {report.attempts} more attempts, {report.duplicates} duplicates")
    return report.check()


def fifty_running(deployment: Deployment, *, tasks: int) -> list[str]:
    """Hand in tasks until the target holds fifty of them; the others wait."""
    target = deployment.target
    mark = target.count()
    ids = deployment.submit_many([target.url(f"/{n}", hold=deployment.name) for n in range(tasks)])
    wait_for(lambda: target.count() - mark == 50, "50 running tasks")
    return ids


def test_a_consumer_is_killed_with_fifty_running_tasks(deploy: Deploy) -> None:
    """Another consumer runs them again when their leases end, and each task ends succeeded once."""
    deployment = deploy(**PATIENT)
    deployment.serve()
    doomed = deployment.consume()
    ids = fifty_running(deployment, tasks=100)
    doomed.kill()
    deployment.target.release(deployment.name)
    deployment.consume()
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    assert report.attempts == 50
    assert report.duplicates == 0


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
@pytest.mark.parametrize("server", ["rabbitmq", "redis"])
def test_a_server_goes_and_comes_back_under_load(
    whole: Deployment, fleet: Fleet, tmp_path: Path, server: str, kill: bool
) -> None:
    """Submits go on or get 503, and every accepted task succeeds."""
    with under_load(whole, tmp_path) as ledger:
        services.down(server, kill=kill, fleet=fleet)
        fleet.up(server)
    all_succeed(whole, ledger)


def test_our_processes_are_killed_under_load(whole: Deployment, tmp_path: Path) -> None:
    """One API and one consumer die; the other two and the replacements go on."""
    serve, consume = whole.processes[:2]
    with under_load(whole, tmp_path) as ledger:
        for running in (serve, consume):
            running.kill()
        for running in (serve, consume):
            whole.again(running).wait_ready()
    all_succeed(whole, ledger)


def test_a_consumer_that_froze_does_no_harm_when_it_thaws(deploy: Deploy) -> None:
    """Stopped for longer than its lease, it loses its tasks; its late results are refused."""
    # RabbitMQ hands a frozen peer its share of deliveries until it misses the heartbeats.
    deployment = deploy(**PATIENT, RABBIT__HEARTBEAT=2)
    deployment.serve()
    frozen = deployment.consume()
    ids = fifty_running(deployment, tasks=50)
    frozen.signal(signal.SIGSTOP)
    deployment.target.release(deployment.name)
    deployment.consume()
    deployment.wait_drained(len(ids))
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: frozen.stats()["totals"]["settle_refused"] == 50, "the late answers are refused")
    report = audit_deployment(deployment, ids).check()
    assert report.attempts == 50


def test_everything_is_killed_at_once(whole: Deployment, fleet: Fleet, tmp_path: Path) -> None:
    """A rehearsal of a power cut: servers and processes die together and come back one by one."""
    with under_load(whole, tmp_path) as ledger:
        services.save_queue_names(fleet)  # RabbitMQ 3.10 may lose new queues at a kill -9: rabbitmq/ra#443
        dead = list(whole.processes)
        for running in dead:
            running.process.kill()
        for name in ("rabbitmq", "redis"):
            fleet.down(name, kill=True)
        for running in dead:
            running.wait()
        started = [whole.again(running) for running in dead]
        for name in ("redis", "rabbitmq"):
            fleet.up(name)
    # The load goes on as soon as one API is back; the other one is asked now.
    for running in started:
        running.wait_ready()
    all_succeed(whole, ledger)


def test_an_operators_hand_under_load(whole: Deployment, fleet: Fleet, tmp_path: Path) -> None:
    """A purged queue, a deleted queue, flushed scripts and cut connections cost nothing but time."""
    with under_load(whole, tmp_path) as ledger:
        queue = f"{whole.name}.medium"
        with amqp.channel(whole.rabbitmq_url) as channel:
            channel.queue_purge(queue)
        with Redis.from_url(whole.redis_url) as redis:
            redis.script_flush()
            redis.client_kill_filter(_type="normal", skipme=True)
        with amqp.channel(whole.rabbitmq_url) as channel:
            channel.queue_delete(queue)
    all_succeed(whole, ledger)


@pytest.mark.parametrize("server", ["rabbitmq", "redis"])
def test_a_server_freezes_under_load(whole: Deployment, fleet: Fleet, tmp_path: Path, server: str) -> None:
    """A server that hangs for longer than our timeouts counts as down."""
    pid = fleet.server(server).pid
    assert pid is not None
    with under_load(whole, tmp_path) as ledger:
        os.kill(pid, signal.SIGSTOP)
        try:
            api = whole.processes[0]
            wait_for(lambda: not api.get("/health").json["checks"][server]["ok"], "it is noticed")
        finally:
            os.kill(pid, signal.SIGCONT)
    all_succeed(whole, ledger)
