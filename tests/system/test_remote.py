"""`produce --api`: the same output and exit codes as with the store, without configuration."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from servers.ports import free_ports

from tests.system.harness.deployment import Deployment
from tests.tools.waiting import wait_for

NOWHERE: dict[str, Any] = {"RABBIT__ADDR": "amqp://127.0.0.1:1/", "REDIS__ADDR": "127.0.0.1:1"}


def api(deployment: Deployment) -> str:
    return f"http://127.0.0.1:{deployment.api.port}"


def test_one_task_goes_by_the_api(deployment: Deployment) -> None:
    """Its id is printed; the store that the environment names is not looked at."""
    url = deployment.target.url("/remote")
    done = deployment.run(
        "produce", "--api", api(deployment), "--url", url, "--header", "X-Request-Id: b", **NOWHERE
    )
    assert (done.returncode, done.stderr) == (0, "")
    record = deployment.wait_finished(done.stdout.strip())
    assert (record["url"], record["headers"], record["status"]) == (url, {"X-Request-Id": "b"}, "succeeded")


@pytest.mark.parametrize("way", [[], ["--api"]], ids=["store", "api"])
def test_waiting_tells_how_it_ended(deployment: Deployment, way: list[str]) -> None:
    """0 and 1, with the same line on stdout by both ways."""
    options = [*way, api(deployment)] if way else []
    target = deployment.target
    for url, code, words in (
        (target.url("/good"), 0, "succeeded 200"),
        (target.url("/bad", status=404), 1, "failed 404"),
    ):
        done = deployment.run("produce", *options, "--url", url, "--wait", "--max-attempts", "1")
        assert done.returncode == code, done
        assert f" {words} " in done.stdout
        shown = deployment.run("produce", *options, "--url", url, "--wait", "--max-attempts", "1", "--json")
        assert json.loads(shown.stdout)["url"] == url


def test_a_file_goes_by_the_api(deployment: Deployment, tmp_path: Path) -> None:
    """More lines than one request holds; those that are no task are told by their numbers."""
    url = deployment.target.url("/many")
    task_id = f"remote-{secrets.token_hex(4)}"
    mine = json.dumps({"url": url, "id": task_id, "priority": "high"})
    lines = [*[url] * 700, "nope", mine, "{", "\xff", "x" * 1_100_000, *[url] * 300]
    (tmp_path / "urls.txt").write_bytes("\n".join(lines).encode("latin-1"))
    options = ("--api", api(deployment), "--file", str(tmp_path / "urls.txt"), "--priority", "low")
    done = deployment.run("produce", *options, **NOWHERE)
    ids = done.stdout.split()
    assert (done.returncode, len(ids)) == (2, 1001), done.stderr
    assert [line.split(":")[1] for line in done.stderr.splitlines()[:-1]] == ["701", "703", "704", "705"]
    assert "longer than 1048576 bytes" in done.stderr
    assert deployment.record(task_id)["queue"] == "high"
    assert deployment.record(ids[0])["queue"] == "low"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--api", "{api}", "--url", "ftp://x/", "--method", "?"], 2, "url: must start with"),
        (["--url", "http://x/", "--api", "nowhere"], 2, "must start with http://"),
        (["--url", "http://x/", "--api", "{api}/elsewhere"], 2, "answered 404"),
        (
            ["--url", "http://x/", "--api", "http://127.0.0.1:{closed}"],
            3,
            "cannot reach the API at http://127.0.0.1:{closed}: Connection refused",
        ),
    ],
)
def test_a_refusal_has_the_same_exit_codes(
    deployment: Deployment, words: list[str], code: int, told: str
) -> None:
    """2 for what the caller must change, 3 for an API that is away; a line each on stderr."""
    (closed,) = free_ports(1)
    given = [word.format(api=api(deployment), closed=closed) for word in words]
    done = deployment.run("produce", *given, **NOWHERE)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert told.format(closed=closed) in done.stderr
    assert "Traceback" not in done.stderr


def test_the_api_can_be_named_by_the_environment(deployment: Deployment) -> None:
    """`TASKRUNNER_API_URL`, for all that a shell submits."""
    done = deployment.run(
        "produce", "--url", deployment.target.url("/env"), **NOWHERE, API_URL=api(deployment)
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: deployment.record(done.stdout.strip()), "the API has it")
