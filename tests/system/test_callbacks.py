"""Callbacks from end to end: real processes, and a receiver that verifies what it gets."""

import base64
import json
from urllib.parse import urlsplit

from taskrunner.domain.targets.signature import sign
from taskrunner.domain.tasks.trace import read_traceparent
from tests.system.conftest import Deploy
from tests.system.harness.http import Client
from tests.tools import behaviours
from tests.tools.hostile import Hostile
from tests.tools.waiting import wait_for

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_a_receiver_is_told_and_can_verify_it(deploy: Deploy) -> None:
    """A failure is reported after the task has failed, signed with both secrets; `task show` shows how."""
    with Hostile() as receiver:
        url = receiver.url(behaviours.answer)
        ports = f"{urlsplit(url).port}"
        deployment = deploy(CALLBACKS__SECRETS=f"billing={OLD},billing={NEW},billing.hosts=127.0.0.1")
        both = {"FETCH__PORTS": f"{deployment.target.port},{ports}"}
        deployment.settings.update(both)
        deployment.serve()
        deployment.consume()
        task_id = deployment.submit(
            deployment.target.url("/gone", status=410),
            callback={"url": url, "secret": "billing", "events": ["failed"]},
        )
        assert deployment.wait_finished(task_id)["callback"]["secret"] == "billing"
        with Client(deployment.api.port) as client:
            (callback,) = wait_for(
                lambda: client.get(f"/tasks?label=callback={task_id}&status=succeeded").json["tasks"],
                "a callback",
            )
        [seen] = receiver.ledger.requests
    message = json.loads(seen.body)
    assert (message["type"], message["data"]["id"]) == ("task.failed", task_id)
    assert message["data"]["result"]["status_code"] == 410
    timestamp = int(seen.header("webhook-timestamp") or "")
    assert seen.header("webhook-id") == seen.header("Idempotency-Key") == callback["id"]
    assert seen.header("webhook-signature") == sign([OLD, NEW], callback["id"], timestamp, seen.body)
    assert read_traceparent(seen.header("traceparent") or "")
    shown = deployment.run("task", "show", callback["id"], "--attempt", "1")
    detail = json.loads(shown.stdout)
    assert (detail["address"], detail["response"]["status_code"]) == (urlsplit(url).netloc, 200)
    curl = deployment.run("task", "show", callback["id"], "--attempt", "1", "--format", "curl")
    assert (curl.returncode, f"\ncurl {url} " in curl.stdout) == (0, True)
    har = deployment.run("task", "show", task_id, "--attempt", "1", "--format", "har")
    assert json.loads(har.stdout)["log"]["entries"][0]["response"]["status"] == 410
    logs = "".join(text for _, text in deployment.logs(1000))
    assert not any(secret.removeprefix("whsec_") in logs + shown.stdout for secret in (OLD, NEW))


def test_produce_asks_for_a_callback(deploy: Deploy) -> None:
    """By its options; an unknown secret is named."""
    deployment = deploy(CALLBACKS__SECRETS=f"billing={OLD},billing.hosts=127.0.0.1")
    url = deployment.target.url("/x")
    options = ("produce", "--url", url, "--callback", url, "--callback-secret")
    refused = deployment.run(*options, "billig")
    assert (refused.returncode, 'did you mean "billing"' in refused.stderr) == (2, True)
    good = deployment.run(*options, "billing", "--callback-event", "failed")
    assert good.returncode == 0
    shown = json.loads(deployment.run("task", "show", good.stdout.strip()).stdout)
    assert shown["callback"] == {"url": url, "secret": "billing", "events": ["failed"], "tls": None}
    alone = deployment.run("produce", "--url", url, "--callback-secret", "billing")
    assert (alone.returncode, "--callback" in alone.stderr) == (2, True)
