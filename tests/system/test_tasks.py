"""Single tasks from end to end: retries, delays, dead letters, and the ways to hand one in."""

import json
from datetime import UTC, datetime

import pytest

from tests.system.harness import amqp
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.tools.waiting import wait_for


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_a_task_is_retried_until_it_succeeds(deployment: Deployment) -> None:
    """Two answers of 503, then 200: three attempts on the record, and three requests at the target."""
    url = deployment.target.url("/flaky", fail=2)
    task_id = deployment.submit(url, retry={"strategy": "constant", "base": 0.1})
    record = deployment.wait_finished(task_id)
    assert record["status"] == "succeeded"
    assert [attempt["status_code"] for attempt in record["attempts"]] == [503, 503, 200]
    assert [hit.attempt for hit in deployment.target.hits() if hit.task == task_id] == [1, 2, 3]


def test_retry_after_is_honoured(deployment: Deployment) -> None:
    """`Retry-After` is longer than our own delay, so it counts."""
    url = deployment.target.url("/busy", fail=1, status=429, retry_after=2)
    task_id = deployment.submit(url, retry={"strategy": "constant", "base": 0})
    record = deployment.wait_finished(task_id)
    first, second = record["attempts"]
    assert record["status"] == "succeeded"
    assert seconds(first["finished_at"], second["started_at"]) >= 2


def test_a_delayed_task_runs_no_earlier(deployment: Deployment) -> None:
    """Until its due time it is `scheduled`, and the target gets no request."""
    task_id = deployment.submit(deployment.target.url("/later"), delay=2)
    early = deployment.record(task_id)
    assert early["status"] == "scheduled" or datetime.now(UTC) >= datetime.fromisoformat(early["run_at"])
    record = deployment.wait_finished(task_id)
    assert record["status"] == "succeeded"
    (hit,) = (hit for hit in deployment.target.hits() if hit.task == task_id)
    assert hit.at >= datetime.fromisoformat(record["run_at"]).timestamp()


def test_a_task_that_failed_can_be_requeued(deployment: Deployment) -> None:
    """After its last attempt it is a dead letter; requeued it keeps its history and may succeed."""
    url = deployment.target.url("/fails", fail=2)
    task_id = deployment.submit(url, max_attempts=2, retry={"strategy": "constant", "base": 0})
    assert deployment.wait_finished(task_id)["status"] == "failed"
    with Client(deployment.api.port) as client:
        listed = client.get("/dead-letters").json["dead_letters"]
        assert task_id in {letter["id"] for letter in listed}
        assert client.post(f"/dead-letters/{task_id}/requeue", {}).status == 202
    record = deployment.wait_finished(task_id)
    assert record["status"] == "succeeded"
    assert [attempt["status_code"] for attempt in record["attempts"]] == [503, 503, 200]


def test_the_fetched_body_is_kept(deployment: Deployment) -> None:
    """`GET /tasks/{id}/body` answers the bytes, safe to open."""
    task_id = deployment.submit(deployment.target.url("/body", size=100_000))
    result = deployment.wait_finished(task_id)["result"]
    assert (result["size"], result["truncated"]) == (100_000, False)
    answer = deployment.api.get(f"/tasks/{task_id}/body")
    assert answer.body == b"x" * 100_000
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_produce_waits_and_tells(deployment: Deployment) -> None:
    """`--wait` prints the result, and exits 1 when the task failed."""
    good = deployment.run("produce", "--url", deployment.target.url("/good"), "--wait", "--json")
    assert (good.returncode, json.loads(good.stdout)["status"]) == (0, "succeeded")
    bad = deployment.run("produce", "--url", deployment.target.url("/bad", status=404), "--wait")
    assert bad.returncode == 1
    assert "failed" in bad.stdout
    assert "404" in bad.stdout


@pytest.mark.parametrize("queue", ["high", "medium", "low"])
def test_a_foreign_message_becomes_a_task(deployment: Deployment, queue: str) -> None:
    """Any AMQP client may publish a URL; its message id is the task's, so that a double is no second task."""
    body = json.dumps({"url": deployment.target.url("/foreign"), "shade": "blue"}).encode()
    task_id = f"order-{queue}"
    for _ in range(2):
        amqp.publish(deployment.rabbitmq_url, deployment.name, queue, body, message_id=task_id)

    def record() -> object:
        answer = deployment.api.get(f"/tasks/{task_id}")
        return answer.status == 200 and answer.json["status"] == "succeeded" and answer.json

    assert wait_for(record, "the message is a task that succeeded")["queue"] == queue  # type: ignore[index]
    wait_for(
        lambda: amqp.depth(deployment.rabbitmq_url, f"{deployment.name}.{queue}") == 0, "the double is gone"
    )
    assert sum(hit.task == task_id for hit in deployment.target.hits()) == 1


def test_a_foreign_message_without_an_id_becomes_a_task(deployment: Deployment) -> None:
    """It gets an id of ours."""
    url = deployment.target.url("/nameless")
    body = json.dumps({"url": url}).encode()
    amqp.publish(deployment.rabbitmq_url, deployment.name, "medium", body)
    done = wait_for(
        lambda: [record for record in deployment.records("succeeded") if record["url"] == url], "a task"
    )
    assert len(done) == 1
