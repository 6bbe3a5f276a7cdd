"""`taskrunner doctor` on real servers: every inconsistency is found, reported and repaired."""

import json
from concurrent.futures import ThreadPoolExecutor

from redis import Redis

from tests.system.conftest import Deploy
from tests.system.harness import amqp
from tests.system.harness.deployment import Deployment
from tests.tools.waiting import wait_for

# The relays of these processes look seldom, so that what is broken stays so.
QUIET = {"RELAY__POLL_INTERVAL": 60}


def findings(
    deployment: Deployment, *words: str, code: int, **settings: object
) -> dict[str, tuple[int, int | None]]:
    """How many of each kind it finds, and how many it repairs."""
    done = deployment.run("doctor", "--json", *words, **settings)  # type: ignore[arg-type]  # settings alone
    assert done.returncode == code, (done.stdout, done.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["finding"]: (line["count"], line["fixed"]) for line in lines}


def test_a_deployment_at_work_is_sound(deployment: Deployment) -> None:
    task_id = deployment.submit(deployment.target.url("/fine"))
    deployment.wait_finished(task_id)
    done = deployment.run("doctor")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("no problems found in ")


def test_a_deployment_under_load_is_sound(deploy: Deploy) -> None:
    """While 5,000 tasks come in and two consumers drain them, no moving task is reported."""
    deployment = deploy(WORKERS__MIN_WORKERS=50)
    deployment.serve()
    for consumer in (deployment.consume(ready=False), deployment.consume(ready=False)):
        consumer.wait_ready()
    urls = [deployment.target.url(f"/{number}", delay=0.2) for number in range(5000)]
    with ThreadPoolExecutor(1) as pool:
        handed_in = pool.submit(deployment.submit_many, urls)
        while not (handed_in.done() and deployment.counts().get("succeeded", 0) == len(handed_in.result())):
            assert findings(deployment, code=0) == {}


def test_what_was_broken_is_repaired(deploy: Deploy) -> None:
    """A purged queue, a lost due line, an entry without a record; then all tasks run."""
    deployment = deploy(**QUIET)
    deployment.serve()
    ids = [deployment.submit(deployment.target.url("/fine")) for _ in range(4)]
    key = f"{{{deployment.name}}}"
    with Redis.from_url(deployment.redis_url) as redis:
        redis.zrem(f"{key}:due", ids[0])
        redis.zadd(f"{key}:in:running", {"nobody": 0})
        redis.zadd(f"{key}:due", dict.fromkeys(ids[1:], 1))
    with amqp.channel(deployment.rabbitmq_url) as channel:
        channel.queue_purge(f"{deployment.name}.medium")
    found = {"not_due": (1, None), "no_record": (1, None), "forgotten": (3, None)}
    for _ in range(2):
        assert findings(deployment, code=1) == found
    assert findings(deployment, "--fix", code=0) == {
        kind: (count, count) for kind, (count, _) in found.items()
    }
    assert findings(deployment, code=0) == {}
    wait_for(
        lambda: amqp.depth(deployment.rabbitmq_url, f"{deployment.name}.medium") == len(ids),
        "all are published again",
    )
    deployment.consume(RELAY__POLL_INTERVAL=0.2)
    deployment.wait_drained(4)


def test_a_service_that_is_away_is_told(deploy: Deploy) -> None:
    """The store is inspected without the broker; without the store there is nothing to inspect."""
    deployment = deploy()
    without_broker = deployment.run("doctor", RABBIT__ADDR="amqp://127.0.0.1:1/")
    assert without_broker.returncode == 3
    assert "no problems found" in without_broker.stdout
    assert "RabbitMQ at 127.0.0.1:1" in without_broker.stderr
    without_store = deployment.run("doctor", REDIS__ADDR="127.0.0.1:1")
    assert (without_store.returncode, without_store.stdout) == (3, "")
    assert "cannot reach Redis" in without_store.stderr


def test_queues_with_other_arguments_are_a_finding(deploy: Deploy) -> None:
    deployment = deploy()
    assert findings(deployment, code=0) == {}
    assert findings(deployment, "--fix", code=1, RABBIT__DELIVERY_LIMIT=7) == {"topology_conflict": (1, None)}


def test_without_services_the_file_is_looked_at(deploy: Deploy) -> None:
    """A file without tables is a finding; a memory broker is not inspected."""
    deployment = deploy(STORE__URL="sqlite:///tasks.db", RABBIT__ADDR="memory://")
    assert findings(deployment, code=1) == {"store_unfit": (1, None)}
    assert deployment.run("db", "upgrade").returncode == 0
    assert findings(deployment, code=0) == {}
