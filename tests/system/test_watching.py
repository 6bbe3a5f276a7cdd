"""Watching tasks with real processes: other processes make the changes."""

import json
import threading
from typing import Any

import pytest

from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client


def test_a_submit_waits_for_the_result(deployment: Deployment) -> None:
    """The consumer is another process than the one that answers."""
    body = {"url": deployment.target.url("/waited", delay=0.3)}
    with Client(deployment.api.port) as client:
        answer = client.post("/tasks", body, Prefer="wait=50")
    assert (answer.status, answer.json["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=50"


@pytest.mark.parametrize(("fail", "code"), [(0, 0), (9, 1)])
def test_task_watch_prints_each_status(deployment: Deployment, fail: int, code: int) -> None:
    """From a status that the task has to its end, which is the exit code."""
    url = deployment.target.url("/watched", fail=fail, delay=0.5)
    task_id = deployment.submit(url, max_attempts=2, retry={"strategy": "constant", "base": 0})
    watched = deployment.run("task", "watch", task_id, "--json")
    lines: list[Any] = [json.loads(line) for line in watched.stdout.splitlines()]
    assert watched.returncode == code, watched.stderr
    assert {line["task_id"] for line in lines} == {task_id}
    assert lines[-1]["status"] == lines[-1]["task"]["status"] == ("failed" if fail else "succeeded")
    shown = deployment.run("task", "watch", task_id)
    assert (shown.returncode, shown.stdout) == (code, "failed\n" if fail else "succeeded\n")


def test_task_watch_needs_a_task(deployment: Deployment) -> None:
    assert deployment.run("task", "watch", "never-was").returncode == 4


def test_events_tell_what_another_process_does(deployment: Deployment) -> None:
    """Every status of a task that runs, in the order of the table of statuses."""
    task_id = deployment.submit(deployment.target.url("/told", hold="told"))
    timer = threading.Timer(0.5, deployment.target.release, ["told"])
    timer.start()
    with Client(deployment.api.port) as client:
        answer = client.get(f"/tasks/{task_id}/events")
    timer.join()
    seen = [line.removeprefix("event: ") for line in answer.body.decode().splitlines() if "event: " in line]
    assert answer.headers["content-type"] == "text/event-stream"
    assert seen[-1] == "succeeded"
    order = ["scheduled", "queued", "running", "succeeded"]
    assert [order.index(each) for each in seen] == sorted({order.index(each) for each in seen})
