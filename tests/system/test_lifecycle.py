"""What operators do to tasks, by API and by command, on real processes."""

import json

from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.target import Hit
from tests.system.harness.waiting import wait_for


def hit(deployment: Deployment, task_id: str) -> Hit | None:
    return next((hit for hit in deployment.target.hits() if hit.task == task_id), None)


def running(deployment: Deployment) -> str:
    """A task whose fetch is under way and would take a minute."""
    task_id = deployment.submit(deployment.target.url("/slow", delay=60), timeout=90)
    wait_for(lambda: hit(deployment, task_id), "the fetch begins")
    return task_id


def test_a_cancel_closes_the_socket_of_a_running_fetch(deployment: Deployment) -> None:
    """The API's process has no part in the fetch; the consumer hears of it by the store."""
    task_id = running(deployment)
    with Client(deployment.api.port) as client:
        answer = client.post(f"/tasks/{task_id}/cancel", {})
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
        again = client.post(f"/tasks/{task_id}/cancel", {})
        assert (again.status, again.json["status"]) == (200, "cancelled")
    left = wait_for(lambda: getattr(hit(deployment, task_id), "left", None), "the socket is closed")
    record = deployment.record(task_id)
    assert record["status"] == "cancelled"
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["cancelled"]
    assert left


def test_a_delete_closes_the_socket_too(deployment: Deployment) -> None:
    """And nothing is known of the task any more."""
    task_id = running(deployment)
    with Client(deployment.api.port) as client:
        assert client.request("DELETE", f"/tasks/{task_id}").status == 204
        assert client.request("DELETE", f"/tasks/{task_id}").status == 404
        assert client.get(f"/tasks/{task_id}").status == 404
    wait_for(lambda: getattr(hit(deployment, task_id), "left", None), "the socket is closed")


def test_the_command_shows_cancels_and_deletes(deployment: Deployment) -> None:
    """`taskrunner task` needs the store alone."""
    task_id = deployment.submit(deployment.target.url("/later"), delay=3600)
    shown = deployment.run("task", "show", task_id)
    assert (shown.returncode, json.loads(shown.stdout)["status"]) == (0, "scheduled")
    cancelled = deployment.run("task", "cancel", task_id)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"{task_id} cancelled\n")
    assert deployment.record(task_id)["status"] == "cancelled"
    assert deployment.run("task", "delete", task_id).returncode == 0
    unknown = deployment.run("task", "show", task_id)
    assert (unknown.returncode, task_id in unknown.stderr) == (2, True)
