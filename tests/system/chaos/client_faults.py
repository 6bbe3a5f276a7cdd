"""Faults of those who hand in tasks, and of those who answer them."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.system.chaos.fault import Fault
from tests.system.chaos.link import Link
from tests.system.chaos.stage import Stage, pause
from tests.system.chaos.traffic import EITHER, FAILED, RETRY, Order
from tests.system.harness.http import Client
from tests.tools.proxy import Mode
from tests.tools.waiting import wait_for

_PARALLEL = 100


def same_key_in_parallel(stage: Stage) -> None:
    """A hundred at once under one key: one task, one id; another body under it is refused."""
    order = stage.orders.add("same", keyed=True)

    def send(number: int) -> str:
        port = stage.traffic.ports[number % 2]
        with Client(port) as client:
            return str(client.post("/tasks", order.fields, Idempotency_Key=order.name).json["id"])

    with ThreadPoolExecutor(_PARALLEL) as threads:
        ids = set(threads.map(send, range(_PARALLEL)))
    assert len(ids) == 1, ids
    with stage.traffic.client() as client:
        stage.traffic.submit(order, client)
        other = {**order.fields, "method": "POST"}
        assert client.post("/tasks", other, Idempotency_Key=order.name).status == 422


def answer_to_submit_lost(stage: Stage) -> None:
    """The client waits, gives up and sends the same again."""
    with Link(stage.traffic.ports[0]) as link:
        link.set_mode(Mode.HALF_OPEN)
        orders = [stage.orders.add(f"again-{number}", keyed=True) for number in range(20)]
        for order in orders:
            with Client(link.port, timeout=0.2) as client:
                assert stage.traffic.submit(order, client) is None
    with Client(stage.traffic.ports[1]) as client:
        for order in orders:
            assert stage.traffic.submit(order, client) == 202


def callback_target_down(stage: Stage) -> None:
    """It hears and does not answer, then it does: the same callback all the time, as its id says."""
    link = stage.links["target"]
    link.set_mode(Mode.HALF_OPEN)
    stage.submit(50, tag="told", told=f"http://127.0.0.1:{link.port}")
    pause(8)
    link.heal()


def one_host_is_overloaded(stage: Stage) -> None:
    """What answers 503 must not stop the others of its host, as long as it does not ask for that."""
    stage.submit(200, "status=503", tag="storm", expect=FAILED, max_attempts=3, retry=RETRY)


def cancelled_at_any_time(stage: Stage) -> None:
    """Before, during and after the run: one end, and `cancelled` never becomes `succeeded`."""
    orders = [stage.orders.add(f"cancel-{n}", "delay=0.5", keyed=False, expect=EITHER) for n in range(60)]
    moments = [stage.random.uniform(0, 1.0) for _ in orders]

    def submit_and_cancel(order: Order, moment: float) -> int:
        with stage.traffic.client() as client:
            stage.traffic.submit(order, client)
            pause(moment)
            return client.post(f"/tasks/{order.name}/cancel", {}).status

    with ThreadPoolExecutor(20) as threads:
        answers = set(threads.map(submit_and_cancel, orders, moments))
    assert answers <= {200, 409}, answers


def delivered_twice(stage: Stage) -> None:
    """Copies of envelopes of finished tasks and of tasks that wait: acked, not run."""
    ids = [submit.task_id for submit in stage.traffic.accepted[:100]]
    with stage.traffic.client() as client:
        for task_id in ids:
            wait_for(
                lambda task_id=task_id: (
                    client.get(f"/tasks/{task_id}").json["status"] in ("succeeded", "failed")
                ),  # type: ignore[misc]
                "its end",
            )
            task = _encoded_task(stage, task_id)
            for attempt in (1, 2):
                body = b'{"v":1,"attempt":%d,"task":%b}' % (attempt, task)
                stage.publish(body, message_id=task_id)
    pause(1)


def newer_schema(stage: Stage) -> None:
    """Envelopes with fields that this version does not know, as a newer producer would write them."""
    orders = [stage.orders.add(f"newer-{number}", keyed=True) for number in range(20)]
    with stage.traffic.client() as client:
        for order in orders:
            stage.traffic.submit(order, client)
    for submit in [each for each in stage.traffic.accepted if "-newer-" in each.id]:
        task = {**json.loads(_encoded_task(stage, submit.task_id)), "a_field_of_tomorrow": {"x": 1}}
        envelope = {"v": 1, "attempt": 1, "task": task, "trace": "of tomorrow"}
        stage.publish(json.dumps(envelope, separators=(",", ":")).encode(), message_id=submit.task_id)


def strangers_publish(stage: Stage) -> None:
    """Messages that are no tasks become dead letters, whole, while the queue goes on."""
    for number in range(20):
        body = f'{{"poison": "{stage.orders.run} {number}"'
        stage.poison.append(body)
        stage.publish(body.encode(), queue=stage.random.choice(["high", "medium", "low"]))


def _encoded_task(stage: Stage, task_id: str) -> bytes:
    with stage.redis() as redis:
        found = redis.hget(f"{{{stage.deployment.name}}}:task:{task_id}", "encoded")
    assert isinstance(found, bytes), task_id
    return found


FAULTS = (
    Fault(id="F65", inject=newer_schema),
    Fault(id="F66", inject=same_key_in_parallel),
    Fault(id="F67", inject=answer_to_submit_lost),
    Fault(id="F68", inject=callback_target_down, profile="linked"),
    Fault(id="F69", inject=one_host_is_overloaded),
    Fault(id="F70", inject=cancelled_at_any_time),
    Fault(id="F71", inject=delivered_twice),
    Fault(id="F31b", inject=strangers_publish),
)
