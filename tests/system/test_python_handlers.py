"""Python handlers of the example, in the commands that users run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.ports import free_ports

from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess, run
from tests.tools.waiting import wait_for

TEA = {"article": "tea", "count": 2, "price": "3.50"}


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[TaskrunnerProcess]:
    """`dev` with the example's handlers."""
    (port,) = free_ports(1)
    words = ("--data", str(tmp_path), "--port", str(port), "--handlers", "examples.python.shop")
    settings = {"RABBIT__ADDR": "memory://", "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db"}
    started = TaskrunnerProcess("dev", port=port, log=tmp_path / "dev.log", settings=settings, words=words)
    yield started.wait_ready()
    if started.is_running:
        started.stop()


def test_the_example_runs(dev: TaskrunnerProcess) -> None:
    """Its executors are registered, data is checked at submit, and the result is the task's."""
    with Client(dev.port) as client:
        wait_for(lambda: client.get("/executors/send_invoice").status == 200, "it is registered")
        shown = client.get("/executors/send_invoice").json
        assert (shown["kind"], shown["managed_by"], shown["max_attempts"]) == ("python", "code", 5)
        wrong = client.post("/tasks", {"executor": "send_invoice", "data": {"number": "x", "lines": []}})
        assert wrong.status == 422
        assert {each["field"] for each in wrong.json["errors"]} == {"data/number", "data/lines"}
        task = {"executor": "send_invoice", "data": {"number": 7, "lines": [TEA]}, "id": "seven"}
        assert client.post("/tasks", task).status == 202
        wait_for(lambda: client.get("/tasks/seven").json["status"] == "succeeded", "it succeeds")
        assert client.get("/tasks/seven/body").json == {"number": 7, "total": "7.00"}
    wait_for(lambda: "send_invoice seven#1: order 7: 7.00 to pay" in dev.logged(), "its line in the log")
    assert dev.stop() == 0


@pytest.mark.parametrize("command", ["consume", "all", "dev"])
def test_a_module_that_cannot_be_imported_ends_the_command(command: str, tmp_path: Path) -> None:
    """With exit code 2 and a sentence that names it."""
    settings = {"RABBIT__ADDR": "memory://", "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db"}
    if command == "consume":
        settings = {}
    done = run(tmp_path, settings, command, "--handlers", "no_such_module")
    assert done.returncode == 2
    assert "cannot import no_such_module: no module named no_such_module" in done.stderr
