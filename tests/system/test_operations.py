"""Operations on real processes: whoever is killed, another one goes on; a command can be interrupted."""

import json
import signal
import subprocess
from typing import Any

from tests.system.conftest import Deploy
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess, command, environment
from tests.tools.waiting import wait_for


def submitted(deployment: Deployment, count: int, **fields: object) -> list[str]:
    """That many tasks that wait."""
    tasks = [{"url": deployment.target.url("/later"), "delay": 86_400, **fields} for _ in range(count)]
    with Client(deployment.api.port) as client:
        answer = client.post("/tasks/batch", tasks)
    assert answer.status == 200, answer
    return [item["id"] for item in answer.json["items"]]


def make(serve: TaskrunnerProcess, **fields: object) -> str:
    with Client(serve.port) as client:
        answer = client.post("/operations", fields)
    assert answer.status == 202, answer
    return str(answer.json["id"])


def progress(serve: TaskrunnerProcess, operation_id: str) -> Any:
    answer = serve.get(f"/operations/{operation_id}")
    assert answer.status == 200, answer
    return answer.json


def test_kill_9_of_the_process_that_runs_it_stops_nothing(deploy: Deploy) -> None:
    """Of two `serve`, one runs it; when that one is killed, the other one finishes all."""
    deployment = deploy()
    first = deployment.serve(WORKERS__NAME="first")
    ids = submitted(deployment, 60, labels={"of": "operation"})
    operation_id = make(first, action="cancel", filter={"label": ["of=operation"]}, rate=4)
    wait_for(lambda: progress(first, operation_id)["done"] >= 8, "the first process has begun")
    second = deployment.serve(WORKERS__NAME="second")

    first.kill()

    before = progress(second, operation_id)["done"]
    assert before < 60
    ended = wait_for(
        lambda: (found := progress(second, operation_id))["status"] == "completed" and found,
        "the second process finishes",
    )
    statuses = {second.get(f"/tasks/{each}").json["status"] for each in ids}
    assert (statuses, ended["failed"]) == ({"cancelled"}, 0)
    assert 52 <= ended["done"] <= 60


def test_an_interrupted_command_leaves_the_rest_to_serve(deployment: Deployment) -> None:
    """Ctrl-C says how to end it; nobody has to wait for the lease."""
    submitted(deployment, 40, labels={"of": "command"})
    words = command("tasks", "cancel", "--label", "of=command", "--rate", "5")
    running = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(deployment.settings),
        cwd=deployment.folder,
        text=True,
    )

    def made() -> Any:
        listed = deployment.run("operations", "list", "--json").stdout.splitlines()
        return next((each for each in map(json.loads, listed) if each["done"]), None)

    operation = wait_for(made, "the command has begun")
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert f"`taskrunner operations abort {operation['id']}` ends it" in told
    ended = wait_for(
        lambda: (found := progress(deployment.api, operation["id"]))["status"] == "completed" and found,
        "serve finishes",
    )
    assert (ended["matched"], ended["done"]) == (40, 40)


def test_queues_and_workers_are_those_of_all_processes(deploy: Deploy) -> None:
    """The API shows what the consumer runs, and what both have counted."""
    deployment = deploy()
    deployment.serve()
    consumer = deployment.consume()
    task_id = deployment.submit(deployment.target.url("/slow", hold="for-ever"), timeout=600, priority="low")

    def running() -> Any:
        found = [each for worker in workers() for each in worker["running"]]
        return found and found[0]

    def workers() -> Any:
        return deployment.api.get("/workers").json["workers"]

    attempt = wait_for(running, "the consumer reports the attempt")
    assert (attempt["task_id"], attempt["attempt"], attempt["queue"]) == (task_id, 1, "low")
    (worker,) = workers()
    assert (worker["busy"], worker["in_flight"], worker["threads"] >= 1) == (1, 1, True)
    low = {each["name"]: each for each in deployment.api.get("/queues").json["queues"]}["low"]
    assert (low["ready"], low["consumers"], low["served_by"]) == (0, 1, [worker["id"]])

    def counted() -> Any:
        points = deployment.api.get("/stats/history?resolution=1s").json["points"]
        return sum(each["submitted"] for each in points) == sum(each["started"] for each in points) == 1

    wait_for(counted, "both processes have reported")
    listed = json.loads(deployment.run("workers", "--json").stdout)
    assert [each["task_id"] for each in listed["running"]] == [task_id]
    consumer.kill()
    wait_for(lambda: not workers(), "the report of a consumer that was killed ends")
