"""RabbitMQ or Redis away, at start or later: nothing is lost, and everything goes on when they return."""

import pytest
import services
from servers.fleet import Fleet

from tests.system.conftest import Deploy
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import wait_for

SETTINGS = {"RELAY__HOLD": 6}


def lost_and_restored(running: TaskrunnerProcess, service: str) -> tuple[int, int]:
    """How often the log reports the beginning and the end of an outage."""
    lines = [line for line in running.logged().splitlines() if f'"service":"{service}"' in line]
    return sum("service_lost" in line for line in lines), sum("service_restored" in line for line in lines)


def in_trouble(running: TaskrunnerProcess, service: str) -> bool:
    """Whether `/health` names this service and no other."""
    answer = running.get("/health")
    checks = answer.json["checks"]
    return answer.status == 503 and [n for n, check in checks.items() if not check["ok"]] == [service]


def is_well(running: TaskrunnerProcess) -> bool:
    return running.get("/health").status == 200


@pytest.fixture
def deployment(deploy: Deploy, fleet: Fleet) -> Deployment:
    deployment = deploy(fleet=fleet, **SETTINGS)
    deployment.serve()
    deployment.consume()
    return deployment


def test_without_rabbitmq_tasks_are_accepted_and_run_later(deployment: Deployment, fleet: Fleet) -> None:
    """202 all the time; the API stays ready, the consumer does not; the outage is reported once."""
    services.down("rabbitmq", kill=True, fleet=fleet)
    ids = [deployment.submit(deployment.target.url(f"/{number}")) for number in range(20)]
    printed = deployment.run("produce", "--url", deployment.target.url("/cli"))
    assert printed.returncode == 0
    assert "the relay will publish it (RabbitMQ at " in printed.stderr
    ids += printed.stdout.split()
    lines = f"{deployment.target.url('/file')}\n" * 3
    printed = deployment.run("produce", "--file", "-", given=lines.encode())
    assert "3 stored; RabbitMQ has not confirmed 3 of them yet" in printed.stderr
    ids += printed.stdout.split()
    for running in deployment.processes:
        wait_for(lambda running=running: in_trouble(running, "rabbitmq"), "it is told")  # type: ignore[misc]
    serve, consume = deployment.processes
    assert (serve.get("/readyz").status, consume.get("/readyz").status) == (200, 503)
    assert {deployment.record(task_id)["status"] for task_id in ids} == {"scheduled"}
    fleet.up("rabbitmq")
    for task_id in ids:
        assert deployment.wait_finished(task_id)["status"] == "succeeded"
    for running in deployment.processes:
        wait_for(lambda running=running: is_well(running), "it is well again")  # type: ignore[misc]
        assert lost_and_restored(running, "rabbitmq") == (1, 1)


def test_without_redis_nothing_is_accepted(deployment: Deployment, fleet: Fleet) -> None:
    """503 with Retry-After, `produce` exits 3 soon, and what ran meanwhile is settled afterwards."""
    mark = deployment.target.count()
    running_id = deployment.submit(deployment.target.url("/meanwhile", hold=deployment.name))
    wait_for(lambda: deployment.target.count() > mark, "it runs")
    fleet.down("redis", kill=True)
    deployment.target.release(deployment.name)
    with Client(deployment.api.port) as client:
        for method, path in (("POST", "/tasks"), ("GET", f"/tasks/{running_id}"), ("GET", "/tasks")):
            body = b'{"url":"http://target.test/"}' if method == "POST" else None
            answer = client.request(method, path, body)
            assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
            assert int(answer.headers["retry-after"]) > 0
    refused = deployment.run("produce", "--url", deployment.target.url("/cli"))
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    for running in deployment.processes:
        wait_for(lambda running=running: in_trouble(running, "redis"), "it is told")  # type: ignore[misc]
        assert running.get("/readyz").status == 503
        assert running.get("/livez").status == 200
    fleet.up("redis")
    for running in deployment.processes:
        running.wait_ready()
    record = deployment.wait_finished(running_id)
    assert (record["status"], len(record["attempts"])) == ("succeeded", 1)
    for running in deployment.processes:
        assert lost_and_restored(running, "redis") == (1, 1)


def test_processes_wait_for_what_is_away_at_their_start(deploy: Deploy, fleet: Fleet) -> None:
    """With both servers down they start, say what is missing, and become ready one by one."""
    for server in ("rabbitmq", "redis"):
        fleet.down(server)
    deployment = deploy(fleet=fleet, **SETTINGS)
    serve, consume = deployment.serve(ready=False), deployment.consume(ready=False)
    for running in (serve, consume):
        wait_for(lambda running=running: running.try_get("/health"), "a page")  # type: ignore[misc]
        assert running.get("/health").status == 503
        assert running.get("/readyz").status == 503
    fleet.up("redis")
    serve.wait_ready()
    task_id = deployment.submit(deployment.target.url("/"))
    assert consume.get("/readyz").status == 503
    fleet.up("rabbitmq")
    consume.wait_ready()
    assert deployment.wait_finished(task_id)["status"] == "succeeded"
