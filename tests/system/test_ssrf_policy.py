"""The SSRF guard end to end: an address is refused by the API or by the worker, and never reached."""

from tests.system.conftest import Deploy
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client


def was_reached(deployment: Deployment) -> bool:
    """Other tests use the same target with other paths."""
    return any(hit.path == "/private" for hit in deployment.target.hits())


def test_a_private_target_is_refused_at_the_door(deploy: Deploy) -> None:
    """Loopback is refused by default; the answer names the field and the setting."""
    deployment = deploy(FETCH__ALLOW_PRIVATE="", FETCH__PORTS="")
    deployment.serve()
    with Client(deployment.api.port) as client:
        for url in (
            deployment.target.url("/private"),
            "http://[::1]/",
            "http://0x7f.1/",
            "http://localhost/",
        ):
            answer = client.post("/tasks", {"url": url})
            assert answer.status == 422
            assert answer.json["errors"][0]["field"] == "url"
        headers = {"Metadata-Flavor": "Google"}
        answer = client.post("/tasks", {"url": "http://a.test/", "headers": headers})
        assert answer.status == 422
    assert not was_reached(deployment)


def test_a_private_target_is_blocked_by_the_worker(deploy: Deploy) -> None:
    """Whichever way it came in: one attempt, no retries, no response, and no request at the target."""
    deployment = deploy()
    deployment.serve()
    deployment.consume(FETCH__ALLOW_PRIVATE="")
    task_id = deployment.submit(deployment.target.url("/private"))
    record = deployment.wait_finished(task_id)
    assert record["status"] == "failed"
    assert [attempt["outcome"] for attempt in record["attempts"]] == ["blocked"]
    assert record["error"] == "taskrunner does not fetch from this target."
    assert str(deployment.target.port) not in str(record["attempts"])
    assert not was_reached(deployment)
