"""Graceful and forced stops: running tasks finish or are given back, and no attempt is lost or counted."""

import itertools
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.conftest import Deploy
from tests.system.harness.audit import audit_deployment
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import PATIENCE, wait_for

RUNNING = 20
WAITING = 40
BUSY = 16


def busy(deploy: Deploy, **fields: str) -> tuple[Deployment, TaskrunnerProcess, list[str]]:
    """A deployment with `RUNNING` tasks at the target, which holds them, and `WAITING` behind them."""
    deployment = deploy(WORKERS__MIN_WORKERS=RUNNING, WORKERS__MAX_WORKERS=RUNNING)
    deployment.serve()
    urls = [held(deployment, number) for number in range(RUNNING + WAITING)]
    ids = deployment.submit_many(urls, **fields)
    mark = deployment.target.count()
    consumer = deployment.consume()
    wait_for(lambda: deployment.target.count() - mark == RUNNING, "running tasks")
    return deployment, consumer, ids


def held(deployment: Deployment, number: int = 0) -> str:
    """A URL that is answered once its deployment's name is released."""
    return deployment.target.url(f"/{number}", hold=deployment.name)


def is_not_ready(running: TaskrunnerProcess) -> bool:
    return (answer := running.try_get("/readyz")) is None or answer.status == 503


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_tasks_finish_and_the_rest_is_given_back(deploy: Deploy, number: signal.Signals) -> None:
    """Exit code 0; another consumer gets the rest at once, and no task has a second attempt."""
    deployment, consumer, ids = busy(deploy, max_attempts="1")
    consumer.signal(number)
    wait_for(lambda: is_not_ready(consumer), "it is not ready")
    deployment.target.release(deployment.name)
    assert consumer.wait() == 0
    log = consumer.logged()
    assert f':{consumer.port}","setting":"Server.port","event":"port_opened"' in log
    assert f'"signal":"{number.name}","event":"stop_requested"' in log
    counts = deployment.counts()
    assert counts["running"] == 0
    assert counts["succeeded"] >= RUNNING
    assert counts["queued"] > 0
    deployment.again(consumer)
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    assert (report.duplicates, report.attempts) == (0, 0)


def test_a_second_signal_ends_at_once_and_costs_no_attempt(deploy: Deploy) -> None:
    """Tasks with a single attempt that were cut off still succeed, when a consumer is there again."""
    deployment, consumer, ids = busy(deploy, max_attempts="1")
    consumer.signal(signal.SIGTERM)
    wait_for(lambda: is_not_ready(consumer), "it is not ready")
    consumer.signal(signal.SIGTERM)
    assert consumer.wait() == 128 + signal.SIGTERM
    assert deployment.counts()["running"] == 0
    deployment.target.release(deployment.name)
    deployment.consume()
    deployment.wait_drained(len(ids))
    report = audit_deployment(deployment, ids).check()
    # It did not wait for its tasks: each was begun again.
    assert report.attempts == RUNNING


def test_the_grace_time_has_an_end(deploy: Deploy) -> None:
    """A task that still runs then is interrupted, does not count, and runs again elsewhere."""
    deployment = deploy(WORKERS__SHUTDOWN_GRACE=0.5)
    deployment.serve()
    consumer = deployment.consume()
    mark = deployment.target.count()
    task_id = deployment.submit(held(deployment), max_attempts=1)
    wait_for(lambda: deployment.target.count() > mark, "it runs")
    consumer.signal(signal.SIGTERM)
    assert consumer.wait() == 0
    deployment.target.release(deployment.name)
    deployment.consume()
    record = deployment.wait_finished(task_id)
    assert (record["status"], len(record["attempts"])) == ("succeeded", 2)
    assert [attempt["counted"] for attempt in record["attempts"]] == [False, True]


def test_the_api_ends_in_good_order(deploy: Deploy) -> None:
    """SIGTERM: exit code 0, and what was accepted is there for the next one."""
    deployment = deploy()
    api = deployment.serve()
    task_id = deployment.submit(deployment.target.url("/"))
    api.signal(signal.SIGTERM)
    assert api.wait() == 0
    deployment.again(api).wait_ready()
    deployment.consume()
    assert deployment.wait_finished(task_id)["status"] == "succeeded"


def test_a_second_signal_ends_the_api_at_once(deploy: Deploy) -> None:
    """A request that does not end would hold it for the whole grace time."""
    deployment = deploy(API__SHUTDOWN_GRACE=600, API__REQUEST_TIMEOUT=600)
    api = deployment.serve()
    with socket.create_connection(("127.0.0.1", api.port)) as half:
        half.sendall(b"POST /tasks HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
        # Answered after it, so the half request has arrived.
        assert api.get("/livez").status == 200
        api.signal(signal.SIGTERM)
        wait_for(lambda: api.try_get("/livez") is None, "it does not listen any more")
        assert api.is_running
        api.signal(signal.SIGINT)
        assert api.wait() == 128 + signal.SIGINT


def test_busy_clients_of_an_api_that_ends_are_told_to_close(deploy: Deploy) -> None:
    """Every request on a kept connection is answered, and the last answer says `Connection: close`."""
    deployment = deploy()
    api = deployment.serve()
    with ThreadPoolExecutor(BUSY) as pool:
        answered = [threading.Event() for _ in range(BUSY)]
        clients = [pool.submit(ask_until_told_to_close, api.port, event) for event in answered]
        assert all(event.wait(PATIENCE) for event in answered)
        api.signal(signal.SIGTERM)
        assert api.wait() == 0
        assert all(client.result(PATIENCE) > 0 for client in clients)


def ask_until_told_to_close(port: int, answered: threading.Event) -> int:
    """The number of answers on one connection; raises when an answer is missing."""
    with Client(port) as client:
        for number in itertools.count(1):
            answer = client.get("/livez")
            assert answer.status == 200
            answered.set()
            if answer.headers.get("connection") == "close":
                return number
    raise AssertionError("not reached")
