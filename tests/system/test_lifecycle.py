"""What operators do to tasks, through the API and the command line, on real processes."""

import json

from tests.system.conftest import Deploy
from tests.system.harness import amqp
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.target import Hit
from tests.tools.waiting import PATIENCE, wait_for


def hit(deployment: Deployment, task_id: str) -> Hit | None:
    return next((hit for hit in deployment.target.hits() if hit.task == task_id), None)


def running(deployment: Deployment) -> str:
    """A task whose fetch is under way and would take longer than any wait of ours."""
    task_id = deployment.submit(deployment.target.url("/slow", hold="for-ever"), timeout=5 * PATIENCE)
    wait_for(lambda: hit(deployment, task_id), "the fetch begins")
    return task_id


def test_a_cancel_closes_the_socket_of_a_running_fetch(deployment: Deployment) -> None:
    """The consumer learns of the cancel from the store."""
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
    """The task is unknown afterwards."""
    task_id = running(deployment)
    with Client(deployment.api.port) as client:
        assert client.request("DELETE", f"/tasks/{task_id}").status == 204
        assert client.request("DELETE", f"/tasks/{task_id}").status == 404
        assert client.get(f"/tasks/{task_id}").status == 404
    wait_for(lambda: getattr(hit(deployment, task_id), "left", None), "the socket is closed")


def test_dead_letters_are_looked_after_by_command(deployment: Deployment) -> None:
    """Listed by conditions, shown with their bytes, requeued at a rate, deleted."""
    url = deployment.target.url("/gone", status=404)
    failed = [deployment.submit(url, labels={"bulk_actions": "me"}) for _ in range(5)]
    for task_id in failed:
        deployment.wait_finished(task_id)
    listed = deployment.run("dead-letters", "list", "--label", "bulk_actions=me", "--json")
    assert {json.loads(line)["id"] for line in listed.stdout.splitlines()} == set(failed)
    counted = deployment.run("dead-letters", "requeue", "--label", "bulk_actions=me", "--dry-run")
    assert (counted.returncode, counted.stdout) == (0, "5 would be requeued\n")
    requeued = deployment.run(
        "dead-letters", "requeue", "--label", "bulk_actions=me", "--rate", "20", "--limit", "4"
    )
    assert (requeued.returncode, requeued.stdout) == (0, "4 of 4 requeued\n")

    def runs() -> bool:
        records = [deployment.record(each) for each in failed]
        ended = {each["status"] for each in records} == {"failed"}
        return ended and sorted(len(each["attempts"]) for each in records) == [1, 2, 2, 2, 2]

    wait_for(runs, "four of them ran again")
    rolled = deployment.run(
        "dead-letters",
        "requeue",
        "--host",
        "127.0.0.1",
        "--label",
        "bulk_actions",
        "--rate",
        "50",
        "--stop-at",
        "10",
    )
    assert "5 of 5 requeued" in rolled.stdout
    for task_id in failed:
        deployment.wait_finished(task_id)
    purged = deployment.run("dead-letters", "purge", "--label", "bulk_actions=me")
    assert (purged.returncode, purged.stdout) == (0, "5 of 5 deleted\n")
    assert deployment.run("dead-letters", "purge").returncode == 2

    amqp.publish(deployment.rabbitmq_url, deployment.name, "low", b"\xff no task")
    listing = ("dead-letters", "list", "--queue", "low", "--reason", "rejected", "--json")
    wait_for(lambda: deployment.run(*listing).stdout, "the message is a dead letter")
    letter = json.loads(deployment.run(*listing).stdout)
    raw = deployment.run("dead-letters", "show", letter["id"])
    assert json.loads(raw.stdout)["raw_base64"] == "/yBubyB0YXNr"
    assert deployment.run("dead-letters", "requeue", letter["id"]).returncode == 5
    assert deployment.run("dead-letters", "delete", letter["id"]).returncode == 0
    assert deployment.run("dead-letters", "show", letter["id"]).returncode == 4


def test_many_tasks_are_ended_by_command(deployment: Deployment) -> None:
    """Counted first, then cancelled wherever they are, running ones included, then deleted."""
    waiting = [
        deployment.submit(deployment.target.url("/l"), delay=3600, labels={"many": "1"}) for _ in range(3)
    ]
    slow = deployment.submit(
        deployment.target.url("/slow", hold="for-ever"),
        timeout=5 * PATIENCE,
        labels={"many": "1"},
        priority="high",
    )
    wait_for(lambda: hit(deployment, slow), "the fetch begins")
    counted = deployment.run("tasks", "cancel", "--label", "many=1", "--dry-run")
    assert (counted.returncode, counted.stdout) == (0, "4 would be cancelled\n")
    done = deployment.run("tasks", "cancel", "--label", "many=1")
    assert (done.returncode, done.stdout) == (0, "4 of 4 cancelled\n")
    wait_for(lambda: getattr(hit(deployment, slow), "left", None), "the socket is closed")
    assert {deployment.record(each)["status"] for each in (*waiting, slow)} == {"cancelled"}
    listed = deployment.run("tasks", "list", "--label", "many", "--status", "cancelled")
    assert len(listed.stdout.splitlines()) == 5
    assert deployment.run("tasks", "delete", "--label", "many").stdout == "4 of 4 deleted\n"
    assert deployment.run("tasks", "delete").returncode == 2
    assert deployment.run("tasks", "requeue", "--status", "queued").returncode == 2


def test_what_is_paused_does_not_start(deployment: Deployment) -> None:
    """A queue and a label, by command; the consumer hears of both, `/stats` says so, and the rest goes on."""
    paused = deployment.run("pause", "--queue", "low", "--label", "team=red")
    assert paused.returncode == 0
    assert [line.split()[0] for line in paused.stdout.splitlines()] == ["label:team=red", "queue:low"]
    everybody = [running for running in deployment.processes if running.is_running]

    def heard() -> bool:
        return all(set(each.stats()["paused"]) == {"label:team=red", "queue:low"} for each in everybody)

    wait_for(heard, "every process hears of it")
    url = deployment.target.url("/paused")
    low = deployment.submit(url, priority="low")
    red = deployment.submit(url, labels={"team": "red"})
    other = deployment.submit(url, labels={"team": "blue"})
    assert deployment.wait_finished(other)["status"] == "succeeded"
    wait_for(lambda: deployment.record(red)["status"] == "scheduled", "the label's task is snoozed")
    assert deployment.record(low)["status"] == "queued"
    assert not [hit for hit in deployment.target.hits() if hit.task in {low, red}]
    assert all(each.get("/readyz").status == 200 for each in everybody)
    assert deployment.run("resume", "--queue", "low", "--label", "team=red").returncode == 0
    assert deployment.run("pause").stdout == ""
    assert deployment.wait_finished(low)["attempt"] == 1
    assert deployment.wait_finished(red)["attempt"] == 1


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
    assert (unknown.returncode, task_id in unknown.stderr) == (4, True)


def test_a_task_that_was_given_back_too_often_runs_all_the_same(deploy: Deploy) -> None:
    """RabbitMQ counts returned deliveries and dead-letters the message at its limit."""
    deployment = deploy(RABBIT__DELIVERY_LIMIT=3)
    deployment.serve()
    task_id = deployment.submit(deployment.target.url("/fine"))
    with amqp.channel(deployment.rabbitmq_url) as channel:

        def is_dead() -> bool:
            method, _, _ = channel.basic_get(f"{deployment.name}.medium")
            if method is not None:
                channel.basic_nack(method.delivery_tag, requeue=True)
            return amqp.depth(deployment.rabbitmq_url, f"{deployment.name}.dead") == 1

        wait_for(is_dead, "the broker gives it up")
    deployment.consume()
    record = deployment.wait_finished(task_id)
    assert (record["status"], len(record["attempts"])) == ("succeeded", 1)
    assert deployment.api.get("/dead-letters").json["dead_letters"] == []
