"""Processes that lack something: a shortage of this machine is charged to no task, and stops nobody."""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from servers.ports import free_ports

from tests.system.harness.command_line import run
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.starved import NAME
from tests.tools.waiting import wait_for

TASKS = 70
WORKERS = 60
# Enough to start and to serve, and for some of the workers.
DESCRIPTORS = 64
Start = Callable[..., TaskrunnerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `all`: an API, a consumer and their store in one process."""
    (port,) = free_ports(1)
    settings = {
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db",
        "API__PORT": port,
        "SERVER__ADDR": "127.0.0.1",
        "SERVER__PORT": 0,
        "WORKERS__MIN_WORKERS": WORKERS,
        "WORKERS__MAX_WORKERS": WORKERS,
        "FETCH__ALLOW_LOOPBACK": True,
    }
    upgraded = run(tmp_path, settings, "db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    started: list[TaskrunnerProcess] = []

    def start(**options: Any) -> TaskrunnerProcess:
        log = tmp_path / "all.log"
        started.append(TaskrunnerProcess("all", port=port, log=log, settings=settings, **options))
        return started[-1].wait_ready()

    yield start
    for each in started:
        if each.is_running:
            each.stop()


def assert_not_charged(records: Sequence[Any], words: str) -> None:
    """One attempt of each counts, the last; the others say what was lacking, and some task had such."""
    assert {(each["status"], each["attempts"][-1]["counted"]) for each in records} == {("succeeded", True)}
    earlier = [attempt for each in records for attempt in each["attempts"][:-1]]
    assert {(each["outcome"], each["counted"]) for each in earlier} == {("interrupted", False)}
    assert all(words in each["error"] for each in earlier)


def test_a_shortage_of_descriptors_is_charged_to_no_task(start: Start, target: Target) -> None:
    """Every task has one attempt that counts, and succeeds; `/health` names the shortage while it lasts."""
    running = start(descriptors=DESCRIPTORS)
    # A shortage may keep new connections waiting; this one is kept.
    with Client(running.port) as client:
        assert client.get("/health").json["status"] == "ok"
        ids = [f"few-{number}" for number in range(TASKS)]
        # Those that are fetched are held, so that the others meet the shortage.
        tasks = [
            {
                "id": task_id,
                "url": target.url(f"/{task_id}", hold="descriptors"),
                "method": "POST",
                "max_attempts": 1,
            }
            for task_id in ids
        ]
        answer = client.post("/tasks/batch", tasks)
        assert answer.status == 200, answer
        assert {each["status"] for each in answer.json["items"]} == {202}

        wait_for(lambda: "ulimit -n" in str(client.get("/health").json), "/health names the shortage")
        target.release("descriptors")

        def all_succeeded() -> bool:
            # Without descriptors, the store cannot be asked either.
            counts = client.get("/stats").json["counts"]
            return counts is not None and counts["succeeded"] == TASKS

        wait_for(all_succeeded, "every task succeeds")
        records = [client.get(f"/tasks/{each}").json for each in ids]
    assert_not_charged(records, "file descriptors left (ulimit -n)")
    assert "Traceback" not in running.logged()
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        ("threads", "cannot start another thread (ulimit -u"),
        ("memory", "has not enough memory"),
        ("resolver", "cannot use its resolver"),
    ],
)
def test_what_the_machine_lacks_is_charged_to_no_task(
    start: Start, target: Target, tmp_path: Path, lack: str, words: str
) -> None:
    """The limit on processes is shared by all of a user's, so the system's refusals are injected."""
    starving = tmp_path / "starving"
    running = start(launcher=("tests.tools.starved", lack, str(starving)))
    with Client(running.port) as client:
        starving.touch()
        url = target.url("/").replace("127.0.0.1", NAME)
        answer = client.post("/tasks", {"id": "t", "url": url, "method": "POST", "max_attempts": 1})
        assert answer.status == 202, answer
        wait_for(lambda: words in str(client.get("/health").json), "/health names the shortage")
        starving.unlink()
        wait_for(lambda: client.get("/tasks/t").json["status"] == "succeeded", "the task succeeds")
        assert_not_charged([client.get("/tasks/t").json], words)
    assert running.stop() == 0


def test_more_clients_than_descriptors_stop_no_api(start: Start, target: Target) -> None:
    """Idle connections give way to new ones, and tasks are accepted."""
    running = start(descriptors=DESCRIPTORS)
    with ExitStack() as clients:
        for _ in range(2 * DESCRIPTORS):
            clients.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
        with Client(running.port) as client:
            answer = client.post("/tasks", {"id": "few", "url": target.url("/few")})
            assert answer.status in {202, 503}, answer
    with Client(running.port) as client:
        wait_for(
            lambda: client.post("/tasks", {"id": "later", "url": target.url("/later")}).status in {200, 202},
            "tasks are accepted again",
        )
        assert client.get("/tasks/later").status == 200
    assert "Traceback" not in running.logged()
    assert running.stop() == 0
