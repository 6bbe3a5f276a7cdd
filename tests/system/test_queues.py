"""Queues of real processes: declared by one, served by another, kept when one forgets them."""

import json
from typing import Any

from tests.system.conftest import Deploy
from tests.tools.waiting import wait_for


def test_a_queue_is_declared_while_everything_runs(deploy: Deploy) -> None:
    """A consumer that runs serves it; the commands and the API show and delete it."""
    deployment = deploy()
    deployment.serve()
    deployment.consume()
    made = deployment.run("queues", "declare", "reports", "--weight", "3")
    assert (made.returncode, made.stdout) == (0, "reports declared, weight 3\n")

    def served() -> Any:
        queues = {each["name"]: each for each in deployment.api.get("/queues").json["queues"]}
        return queues["reports"]["served_by"] if "reports" in queues else None

    wait_for(served, "the API and the consumer know the queue")
    record = deployment.wait_finished(deployment.submit(deployment.target.url("/x"), queue="reports"))
    assert (record["status"], record["queue"]) == ("succeeded", "reports")
    listed = [json.loads(line) for line in deployment.run("queues", "--json").stdout.splitlines()]
    assert [(each["name"], each["weight"]) for each in listed][3:] == [("reports", 3)]
    assert deployment.run("queues", "delete", "reports").returncode == 0
    wait_for(lambda: served() is None, "the API no longer has the queue")


def test_a_consumer_for_an_unknown_queue_does_not_start(deploy: Deploy) -> None:
    """It ends with the wrong name and the one that was meant, before it takes any task."""
    deployment = deploy()
    deployment.run("queues", "declare", "reports")
    done = deployment.run("consume", "--queues", "high,report")
    assert done.returncode == 2
    assert "Workers.queues: must be a declared queue" in done.stderr
    assert 'did you mean "reports"?' in done.stderr
