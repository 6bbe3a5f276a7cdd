"""The Node.js worker of examples/, with `dev`: how tasks end, leases, cancelling, an orderly stop."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.ports import free_ports
from servers.process import end_with_parent

from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import PATIENCE, wait_for

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "node-worker" / "shop.mjs"
HANDLERS = ROOT / "tests" / "tools" / "node_handlers.mjs"
# A heartbeat comes every three seconds.
LEASE = {"WORKERS__LEASE": 9, "FETCH__TIMEOUT": 9, "FETCH__CONNECT_TIMEOUT": 9}
# Of tasks with this data: the status, and the outcomes of the attempts.
ENDS = {
    "raise": ("failed", ["handler_error", "handler_error"]),
    "raise once": ("succeeded", ["handler_error", "ok"]),
    "fail": ("failed", ["handler_error"]),
    "cancel": ("cancelled", ["cancelled"]),
    "snooze once": ("succeeded", ["snoozed", "ok"]),
    "large": ("failed", ["handler_error"]),
}


@pytest.fixture(scope="module")
def grpc_port() -> int:
    """Of `dev`."""
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, grpc_port: int) -> Iterator[Client]:
    """A client of a process without servers, for all tests here."""
    folder = tmp_path_factory.mktemp("dev")
    (port,) = free_ports(1)
    words = ("--data", str(folder), "--port", str(port), "--grpc-port", str(grpc_port))
    settings = {"GRPC__ENABLED": True, **LEASE}
    started = TaskrunnerProcess("dev", port=port, log=folder / "dev.log", settings=settings, words=words)
    with Client(started.wait_ready().port) as client:
        for name in ("print_label", "check_stock", "wait_for_file", "end_so"):
            retry = {"strategy": "constant", "base": 0}
            executor = {"name": name, "kind": "remote", "max_attempts": 2, "retry": retry}
            assert client.post("/executors", executor).status == 201
        yield client
    assert started.stop() == 0


@pytest.fixture(scope="module")
def installed() -> None:
    """The packages of the example, from its lock file."""
    done = subprocess.run(["scripts/node_worker.sh"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)


class NodeWorker:
    """A worker process; its output is in `log`."""

    def __init__(self, log: Path, *words: str | Path, **settings: str) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["node", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **settings},
                preexec_fn=end_with_parent,
            )

    def wait_logged(self, text: str) -> None:
        def look() -> bool:
            logged = self._log.read_text()
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {logged}"
            return text in logged

        wait_for(look, f"the worker logs {text!r}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


Work = Callable[..., NodeWorker]


@pytest.fixture
def work(installed: None, tmp_path: Path) -> Iterator[Work]:
    """Starts workers, which have registered."""
    started: list[NodeWorker] = []

    def work(*words: str | Path, **settings: str) -> NodeWorker:
        started.append(NodeWorker(tmp_path / "node.log", *words, **settings))
        started[-1].wait_logged(" serves ")
        return started[-1]

    yield work
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@pytest.fixture
def worker(work: Work, grpc_port: int, tmp_path: Path) -> NodeWorker:
    """With the handlers of these tests; a file in `tmp_path` ends a task of `wait_for_file`."""
    return work(HANDLERS, f"127.0.0.1:{grpc_port}", tmp_path)


def submit(dev: Client, executor: str, data: object, **fields: Any) -> str:
    answer = dev.post("/tasks", {"executor": executor, "data": data, **fields})
    assert answer.status == 202, answer
    return str(answer.json["id"])


def task_with(dev: Client, task_id: str, *statuses: str) -> Any:
    """The task, once it has one of these."""

    def look() -> Any:
        task = dev.get(f"/tasks/{task_id}").json
        return task if task["status"] in statuses else None

    return wait_for(look, f"task {task_id} is {' or '.join(statuses)}")


def wait_for_progress(dev: Client, task_id: str) -> Any:
    """The task, once its handler runs: the worker has told so."""

    def look() -> Any:
        task = dev.get(f"/tasks/{task_id}").json
        return task if task["progress"] else None

    return wait_for(look, f"the progress of {task_id}")


def test_the_example_runs(dev: Client, work: Work, grpc_port: int) -> None:
    """A result, a failure that is final, and a retry; it ends by SIGTERM with 0."""
    example = work(EXAMPLE, TASKRUNNER_GRPC=f"127.0.0.1:{grpc_port}")
    label = submit(dev, "print_label", {"order": 7})
    unknown = submit(dev, "check_stock", {"article": "salt"})
    coffee = submit(dev, "check_stock", {"article": "coffee"})
    assert task_with(dev, label, "succeeded")["attempt"] == 1
    assert dev.get(f"/tasks/{label}/body").json == {"parcel": "P-7"}
    failed = task_with(dev, unknown, "failed")
    assert (failed["attempt"], failed["error"]) == (1, "there is no article salt")
    again = task_with(dev, coffee, "succeeded")
    assert [each["error"] for each in again["attempts"]] == ["sold out; perhaps it comes in", None]
    assert example.stop() == 0


@pytest.mark.usefixtures("worker")
def test_a_handler_decides_how_it_ends(dev: Client) -> None:
    """Also with a result that no server takes."""
    tasks = {data: submit(dev, "end_so", data) for data in ENDS}
    ended = {}
    for data, task_id in tasks.items():
        task = task_with(dev, task_id, "succeeded", "failed", "cancelled")
        ended[data] = (task["status"], [each["outcome"] for each in task["attempts"]])
    assert ended == ENDS


def test_heartbeats_tell_progress_and_extend_leases(dev: Client, worker: NodeWorker, tmp_path: Path) -> None:
    """Also when there is nothing new to tell; a task that was cancelled makes its handler stop."""
    waiting = submit(dev, "wait_for_file", "a", timeout=600)
    stopped = submit(dev, "wait_for_file", "never", timeout=600)
    task = wait_for_progress(dev, waiting)
    due = task["due_at"]
    assert task["progress"] == {"fraction": 0.25, "message": "waiting"}
    wait_for(lambda: dev.get(f"/tasks/{waiting}").json["due_at"] > due, "the lease is extended")
    assert dev.post(f"/tasks/{stopped}/cancel", {}).status == 200
    (tmp_path / "a").touch()
    assert task_with(dev, waiting, "succeeded", "failed")["attempts"][0]["outcome"] == "ok"
    # The handler of the cancelled task has stopped, too: the worker would wait 600 seconds for it.
    assert worker.stop() == 0
    assert dev.get(f"/tasks/{stopped}").json["status"] == "cancelled"


def test_a_stop_ends_what_runs_and_gives_the_rest_back(
    dev: Client, worker: NodeWorker, tmp_path: Path
) -> None:
    """In the grace time, which a second signal ends: what then runs starts again elsewhere, uncounted."""
    ends, stuck = (submit(dev, "wait_for_file", name, timeout=600) for name in ("b", "never"))
    for each in (ends, stuck):
        wait_for_progress(dev, each)
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_logged("stopping; 2 tasks still run")
    later = submit(dev, "wait_for_file", "c")
    (tmp_path / "b").touch()
    assert task_with(dev, ends, "succeeded", "failed")["status"] == "succeeded"
    assert worker.stop() == 0
    back = task_with(dev, stuck, "scheduled", "queued")
    assert [(each["outcome"], each["counted"]) for each in back["attempts"]] == [("snoozed", False)]
    assert dev.get(f"/tasks/{later}").json["attempt"] == 0


def test_a_worker_without_its_executor_ends(installed: None, grpc_port: int, dev: Client) -> None:
    """With an exit code and the name of what is missing."""
    assert dev.request("DELETE", "/executors/check_stock").status == 204
    done = subprocess.run(
        ["node", EXAMPLE],
        env={**os.environ, "TASKRUNNER_GRPC": f"127.0.0.1:{grpc_port}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "executor check_stock: 5 NOT_FOUND" in done.stderr
