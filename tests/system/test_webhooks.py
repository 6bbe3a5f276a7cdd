"""Webhooks from end to end: real processes, and a receiver that verifies what it gets."""

import base64
import json
from urllib.parse import urlsplit

from taskrunner.domain.targets.signature import sign
from tests.system.conftest import Deploy
from tests.system.harness.http import Client
from tests.tools import behaviours
from tests.tools.hostile import Hostile
from tests.tools.waiting import wait_for

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def test_a_receiver_is_told_of_every_end(deploy: Deploy) -> None:
    """Of those that a consumer, the API and the command line make; each once, and signed."""
    with Hostile() as receiver:
        url = receiver.url(behaviours.answer)
        deployment = deploy(CALLBACKS__SECRETS=f"billing={SECRET},billing.hosts=127.0.0.1")
        deployment.settings["FETCH__PORTS"] = f"{deployment.target.port},{urlsplit(url).port}"
        deployment.serve()
        deployment.consume()
        hook = {"url": url, "secret": "billing", "filter": {"label": ["team=red"]}}
        with Client(deployment.api.port) as client:
            assert client.request("PUT", "/webhooks/red", json.dumps(hook).encode()).status == 201

            def in_consumer() -> bool:
                probe = deployment.submit(deployment.target.url("/ok"), labels={"team": "red"})
                deployment.wait_finished(probe)
                return is_told(probe)

            def in_api() -> bool:
                probe = deployment.submit(deployment.target.url("/ok"), labels={"team": "red"}, delay=600)
                assert client.request("POST", f"/tasks/{probe}/cancel").status == 200
                return is_told(probe)

            def is_told(task_id: str) -> bool:
                return bool(client.get(f"/tasks?label=callback={task_id}").json["tasks"])

            # Each process reads for itself which webhooks there are.
            wait_for(in_consumer, "an end in the consumer is told")
            wait_for(in_api, "an end in the API is told")
            waiting = [
                deployment.submit(deployment.target.url("/ok"), labels={"team": "red"}, delay=600)
                for _ in range(2)
            ]
            ends = {
                deployment.submit(deployment.target.url("/ok"), labels={"team": "red"}): "task.succeeded",
                deployment.submit(
                    deployment.target.url("/gone", status=410), labels={"team": "red"}
                ): "task.failed",
                **dict.fromkeys(waiting, "task.cancelled"),
            }
            deployment.submit(deployment.target.url("/ok"), labels={"team": "blue"})
            assert client.request("POST", f"/tasks/{waiting[0]}/cancel").status == 200
            assert deployment.run("task", "cancel", waiting[1]).returncode == 0

            def told() -> dict[str, str]:
                messages = [json.loads(seen.body) for seen in list(receiver.ledger.requests)]
                return {each["data"]["id"]: each["type"] for each in messages if each["data"]["id"] in ends}

            wait_for(lambda: told() == ends, "all ends are told")
            listed = client.get("/tasks?label=webhook=red&limit=100").json["tasks"]
        assert len({each["labels"]["callback"] for each in listed}) == len(listed)
        for seen in receiver.ledger.requests:
            timestamp, message_id = int(seen.header("webhook-timestamp") or ""), seen.header("webhook-id")
            assert message_id is not None
            assert seen.header("webhook-signature") == sign([SECRET], message_id, timestamp, seen.body)
            assert json.loads(seen.body)["data"]["labels"]["team"] == "red"
