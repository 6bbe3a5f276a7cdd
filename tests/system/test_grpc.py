"""The gRPC API of real processes: `dev`, without servers, and `serve` beside a consumer."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from servers.ports import free_ports

from taskrunner.v1 import task_executor_pb2 as pb
from taskrunner.v1.task_executor_pb2_grpc import TaskExecutorManagerStub
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import TaskrunnerProcess, run
from tests.system.harness.target import Target
from tests.tools.waiting import PATIENCE, wait_for


@contextmanager
def manager(port: int) -> Iterator[Any]:
    """A client of the process that listens there."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield TaskExecutorManagerStub(channel)


def test_dev_serves_it(tmp_path: Path, target: Target) -> None:
    """A task is submitted, watched to its end, and shown; the port is in the welcome."""
    port, grpc_port = free_ports(2)
    words = ("--data", str(tmp_path), "--port", str(port), "--grpc-port", str(grpc_port))
    own = {"GRPC__ENABLED": True}
    dev = TaskrunnerProcess("dev", port=port, log=tmp_path / "dev.log", settings=own, words=words)
    dev.wait_ready()
    try:
        wait_for(lambda: f"gRPC     127.0.0.1:{grpc_port}" in dev.logged(), "the welcome")
        with manager(grpc_port) as tasks:
            url = target.url("/by-grpc")
            task = tasks.AddTask(pb.AddTaskRequest(task=pb.NewTask(url=url)), timeout=PATIENCE).task
            events = list(tasks.WatchTask(pb.WatchTaskRequest(id=task.id), timeout=PATIENCE))
            assert events[-1].status == pb.STATUS_SUCCEEDED
            assert tasks.GetTask(pb.GetTaskRequest(id=task.id)).result.status_code == 200
        assert dev.stop() == 0
    finally:
        if dev.is_running:
            dev.stop()


@pytest.mark.parametrize("words", [("dev", "--data", ".", "--port", "0"), ("all",)])
def test_a_port_that_is_taken_is_named(tmp_path: Path, target: Target, words: tuple[str, ...]) -> None:
    """Exit code 3, and the setting to change."""
    settings = {
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db",
        "API__PORT": 0,
        "SERVER__PORT": 0,
        "GRPC__ENABLED": True,
        "GRPC__PORT": target.port,
    }
    if words == ("all",):
        assert run(tmp_path, settings, "db", "upgrade").returncode == 0
    done = run(tmp_path, settings, *words)
    assert done.returncode == 3, done.stderr
    assert f"127.0.0.1:{target.port} is in use" in done.stderr
    assert "set Grpc.port to another port" in done.stderr


def test_serve_serves_it_and_stops_in_order(deployment: Deployment) -> None:
    """A consumer runs what was submitted; at SIGTERM a watch ends with 14, and the process with 0."""
    (port,) = free_ports(1)
    serve = deployment.serve(GRPC__ENABLED=True, GRPC__PORT=port)
    with manager(port) as tasks:
        sent = (pb.AddTaskRequest(task=pb.NewTask(url=deployment.target.url(f"/{n}"))) for n in range(50))
        answers = list(tasks.AddTasks(sent, timeout=PATIENCE))
        assert [each.number for each in answers if each.created] == list(range(1, 51))
        events = list(tasks.WatchTask(pb.WatchTaskRequest(id=answers[-1].id), timeout=PATIENCE))
        assert events[-1].status == pb.STATUS_SUCCEEDED
        later = pb.NewTask(url=deployment.target.url("/later"))
        later.delay.FromSeconds(3600)
        waiting = tasks.AddTask(pb.AddTaskRequest(task=later)).task
        watch = tasks.WatchTask(pb.WatchTaskRequest(id=waiting.id))
        assert next(watch).status == pb.STATUS_SCHEDULED
        serve.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as ended:
            next(watch)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert serve.wait() == 0
