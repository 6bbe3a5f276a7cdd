"""Bad input through every entry: a clear error, and no task is lost."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Deploy
from tests.system.harness import amqp
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.tools.waiting import wait_for

VERBS = [["serve"], ["consume"], ["produce", "--url", "http://target.test/"], ["config", "check"]]
BAD_FILES = {
    "broken YAML": (b'Rabbit: {addr: "amqp://x\n', ["line 2"]),
    "no mapping": (b"- a\n- b\n", ["must hold sections"]),
    "no text": (b"\xff\xfe\x00", ["not UTF-8"]),
    "unknown keys": (
        b"Rabit: {addr: x}\nWorkers: {max_wokers: 3}\n",
        ['did you mean "Rabbit"', 'did you mean "max_workers"'],
    ),
    "wrong types": (
        b"Workers: {min_workers: many}\nFetch: {timeout: [1]}\nLogger: {level: loud}\n",
        ["Workers.min_workers", "Fetch.timeout", "Logger.level"],
    ),
    "crossed limits": (
        b"Workers: {min_workers: 10, max_workers: 5}\nFetch: {timeout: 60}\n",
        ["Workers.min_workers (10)", "Workers.lease (30)"],
    ),
}
GARBAGE = [
    b"",
    b"garbage",
    b"\xff\xfe\x00",
    b"[]",
    b'{"v":1}',
    b'{"url":"ftp://x/"}',
    b'{"url": 1}',
    b"{" * 9,
]


def told(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines on stderr, none of which may come from a traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_told_line_by_line(deploy: Deploy, case: str) -> None:
    """Every finding has a line of its own, and the exit code is 2."""
    content, findings = BAD_FILES[case]
    deployment = deploy()
    (deployment.folder / "bad.yaml").write_bytes(content)
    done = deployment.run("config", "check", "--config", "bad.yaml")
    lines = told(done)
    assert (done.returncode, len(lines)) == (2, len(findings)), lines
    assert all(line.startswith("taskrunner: bad.yaml: ") for line in lines)
    for finding in findings:
        assert finding in done.stderr


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_every_command_refuses_a_bad_environment(deploy: Deploy, verb: list[str]) -> None:
    """The variable is named; nothing starts."""
    done = deploy().run(*verb, WORKERS__MIN_WORKERS="many")
    (line,) = told(done)
    assert done.returncode == 2
    assert "TASKRUNNER_WORKERS__MIN_WORKERS" in line


def test_bad_tasks_are_refused_field_by_field(deployment: Deployment) -> None:
    """A 422 of the problem type names every field at once, and no task is made."""
    before = sum(deployment.counts().values())
    bad = {"url": "ftp://x/", "method": "G T", "priority": "urgent", "delay": -1, "colour": "blue"}
    with Client(deployment.api.port) as client:
        answer = client.post("/tasks", bad)
        assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
        assert {error["field"] for error in answer.json["errors"]} == set(bad)
        for url in (
            "",
            "x",
            "http://",
            "http://a b/",
            "http://[::1/",
            "//x/",
            "http://x:99999/",
            "http://x/\n",
        ):
            assert client.post("/tasks", {"url": url}).status == 422, url
    assert sum(deployment.counts().values()) == before


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"[" * 10_000, 400),
        (b'["http://target.test/"]', 422),
        (json.dumps({"url": "http://target.test/", "body": "x" * 300_000}).encode(), 422),
        (json.dumps({"url": "http://target.test/" + "x" * 9000}).encode(), 422),
        (b'{"url":"http://target.test/","body":"' + b"x" * 1_000_000 + b'"}', 413),
    ],
    ids=["cut", "empty", "no text", "deep", "array", "large body", "long URL", "large request"],
)
def test_bad_requests_are_problems(deployment: Deployment, content: bytes, status: int) -> None:
    """The answer is a problem document that names the mistake."""
    with Client(deployment.api.port) as client:
        answer = client.post("/tasks", content)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    assert answer.json["status"] == status
    assert answer.json["title"]


def test_produce_refuses_bad_tasks(deployment: Deployment, tmp_path: Path) -> None:
    """One line each and exit code 2, before any service is asked."""
    large = tmp_path / "large"
    large.write_text("x" * 300_000)
    for words in (
        ["--url", "ftp://x/"],
        ["--url", "http://target.test/", "--data", f"@{large}"],
        ["--url", "http://target.test/", "--data", f"@{tmp_path}/none"],
        ["--url", "http://target.test/", "--timeout", "-1"],
    ):
        done = deployment.run("produce", *words)
        assert (done.returncode, len(told(done)), done.stdout) == (2, 1, ""), done


def test_bad_lines_are_told_and_the_others_accepted(deployment: Deployment) -> None:
    """`produce --file` names the lines it refuses by their numbers, and exits 2."""
    good = deployment.target.url("/good")
    lines = [good, "nope", '{"url": 1}', "", "# a comment", "{", json.dumps({"url": good}), "\xff" * 3]
    done = deployment.run("produce", "--file", "-", given="\n".join(lines).encode("latin-1"))
    errors = told(done)
    assert done.returncode == 2
    assert [line.split(":")[1] for line in errors[:-1]] == ["2", "3", "6", "8"]
    assert "4 lines refused, 2 tasks accepted" in errors[-1]
    for task_id in done.stdout.split():
        assert deployment.wait_finished(task_id)["status"] == "succeeded"


def test_garbage_messages_become_dead_letters(deployment: Deployment) -> None:
    """Their bytes are kept as they came, and the consumer goes on."""
    for number, raw in enumerate(GARBAGE):
        amqp.publish(deployment.rabbitmq_url, deployment.name, "high", raw, message_id=f"garbage-{number}")
    with Client(deployment.api.port) as client:

        def letters() -> list[str]:
            listed = client.get("/dead-letters?limit=100").json["dead_letters"]
            return [letter["id"] for letter in listed if letter["kind"] == "message"]

        wait_for(lambda: len(letters()) == len(GARBAGE), "all garbage is collected")
        found = [client.get(f"/dead-letters/{letter_id}").json for letter_id in letters()]
    assert sorted(base64.b64decode(letter["raw_base64"]) for letter in found) == sorted(GARBAGE)
    assert all(letter["error"] and letter["reason"] == "rejected" for letter in found)
    task_id = deployment.submit(deployment.target.url("/after"), priority="high")
    assert deployment.wait_finished(task_id)["status"] == "succeeded"
    assert deployment.api.get("/health").status == 200


@pytest.mark.parametrize("verb", ["serve", "consume"])
def test_a_queue_with_other_arguments_is_one_clear_error(deploy: Deploy, verb: str) -> None:
    """It names the queue, the argument and both values; the queue and what is in it stay."""
    deployment = deploy(SERVER__PORT=0, API__PORT=0)
    queue = f"{deployment.name}.medium"
    deployment.run("produce", "--url", "http://target.test/", RABBIT__DELIVERY_LIMIT=7)
    assert amqp.depth(deployment.rabbitmq_url, queue) == 1
    done = deployment.run(verb)
    lines = [line for line in told(done) if line.startswith("taskrunner: ")]
    assert (done.returncode, len(lines)) == (3, 1), done.stderr
    assert f"queue '{deployment.name}.high'" in lines[0]
    assert "exists with x-delivery-limit = 7, but taskrunner needs 50" in lines[0]
    assert amqp.depth(deployment.rabbitmq_url, queue) == 1


@pytest.mark.parametrize(("verb", "key"), [("serve", "API__PORT"), ("consume", "SERVER__PORT")])
def test_a_taken_port_is_one_clear_error(deployment: Deployment, verb: str, key: str) -> None:
    """The address is named, the exit code is 3."""
    taken: dict[str, Any] = {key: deployment.api.port}
    done = deployment.run(verb, **taken)
    (line,) = told(done)
    assert done.returncode == 3
    assert f"127.0.0.1:{deployment.api.port} is in use" in line
