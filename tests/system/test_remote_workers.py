"""Remote workers with real processes and servers: they die, and so do the processes that lease to them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from servers.ports import free_ports

from taskrunner.sdk.remote.messages import duration
from taskrunner.v1 import task_executor_pb2 as pb
from taskrunner.v1.task_executor_pb2_grpc import TaskExecutorManagerStub, TaskExecutorStub
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import PATIENCE

# Seconds; the attempts of those who die are back so soon.
LEASE = {"WORKERS__LEASE": 4, "FETCH__TIMEOUT": 2, "FETCH__CONNECT_TIMEOUT": 1, "REDIS__TIMEOUT": 2}
COUNT = 60


@contextmanager
def clients(port: int) -> Iterator[tuple[Any, Any]]:
    """Of both services of the process that listens there."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(PATIENCE)
        yield TaskExecutorManagerStub(channel), TaskExecutorStub(channel)


@pytest.fixture
def ports() -> list[int]:
    """Of two processes with an API."""
    return free_ports(2)


@pytest.fixture
def serves(deploy: Callable[..., Deployment], ports: list[int]) -> list[TaskrunnerProcess]:
    """Two processes with an API, on the same servers."""
    return start(deploy(**LEASE), ports)


def start(deployment: Deployment, ports: list[int]) -> list[TaskrunnerProcess]:
    """A process with an API on each of these ports."""
    return [deployment.serve(GRPC__ENABLED=True, GRPC__PORT=port) for port in ports]


def asked(worker: str, most: int = 5, *, wait: float = 3.0) -> pb.GetNextTasksRequest:
    return pb.GetNextTasksRequest(executor="resize", worker=worker, max_tasks=most, wait=duration(wait))


def finish(worker: Any, tasks: list[pb.LeasedTask]) -> list[pb.TaskUpdateResult]:
    updates = [pb.TaskUpdate(id=each.id, token=each.token, completed=pb.Completed()) for each in tasks]
    return [*worker.UpdateTaskStatus(pb.UpdateTaskStatusRequest(updates=updates)).results]


def test_nothing_is_lost_when_workers_and_processes_die(
    serves: list[TaskrunnerProcess], ports: list[int]
) -> None:
    """A worker falls silent, the process that streams to another is killed: every task ends once."""
    with clients(ports[0]) as (manager, worker), clients(ports[1]) as (others, other):
        executor = pb.NewExecutor(
            name="resize",
            kind=pb.EXECUTOR_KIND_REMOTE,
            retry=pb.RetryDraft(strategy=pb.STRATEGY_CONSTANT, base=Duration()),
        )
        manager.CreateExecutor(pb.CreateExecutorRequest(executor=executor))
        sent = (
            pb.AddTaskRequest(task=pb.NewTask(executor="resize", data_json=str(number)))
            for number in range(COUNT)
        )
        ids = {each.id for each in manager.AddTasks(sent, timeout=PATIENCE)}
        silent = [*worker.GetNextTasks(asked("silent")).tasks]
        stream = worker.StreamTasks(pb.StreamTasksRequest(executor="resize", worker="kept", max_tasks=5))
        kept = [*next(stream).tasks]
        assert silent
        assert kept
        serves[0].kill()
        with pytest.raises(grpc.RpcError) as ended_stream:
            kept += (task for answer in stream for task in answer.tasks)
        assert ended_stream.value.code() is grpc.StatusCode.UNAVAILABLE
        # What the dead process leased is ended at the other one.
        ended = [each.id for each in finish(other, kept) if each.answer == pb.UPDATE_ANSWER_APPLIED]
        assert ended == [each.id for each in kept]
        while len(ended) < COUNT:
            tasks = [*other.GetNextTasks(asked("w2", 20), timeout=PATIENCE).tasks]
            ended += [each.id for each in finish(other, tasks) if each.answer == pb.UPDATE_ANSWER_APPLIED]
        assert (len(ended), {*ended}) == (COUNT, ids)
        late = finish(other, silent)
        assert {each.answer for each in late} == {pb.UPDATE_ANSWER_LATE}
        again = others.GetTask(pb.GetTaskRequest(id=silent[0].id))
        assert (again.status, again.attempt) == (pb.STATUS_SUCCEEDED, 2)
        assert [each.outcome for each in again.attempts] == ["interrupted", "ok"]


class Held:
    """How many attempts the workers of all processes hold, by what they know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def change(self, by: int) -> None:
        with self._lock:
            self._now += by
            self.most = max(self.most, self._now)


def lease_and_finish(worker: Any, name: str, held: Held, ended: list[str], count: int) -> None:
    """Until `count` have ended: lease as much as there is before anything is finished."""
    mine: list[pb.LeasedTask] = []
    while len(ended) < count:
        tasks = [*worker.GetNextTasks(asked(name, wait=0.1), timeout=PATIENCE).tasks]
        held.change(len(tasks))
        mine += tasks
        if not tasks and mine:
            # Before the server knows, which then leases the next ones to others.
            held.change(-len(mine))
            ended += [each.id for each in finish(worker, mine) if each.answer == pb.UPDATE_ANSWER_APPLIED]
            mine = []


def test_a_limit_holds_for_all_processes(deployment: Deployment, ports: list[int]) -> None:
    """Two processes lease to a worker each: both together never hold more than the executor allows."""
    start(deployment, ports)
    held, ended, count = Held(), list[str](), 20
    with clients(ports[0]) as (manager, worker), clients(ports[1]) as (_, other):
        executor = pb.NewExecutor(name="resize", kind=pb.EXECUTOR_KIND_REMOTE, concurrency=3)
        manager.CreateExecutor(pb.CreateExecutorRequest(executor=executor))
        sent = (pb.AddTaskRequest(task=pb.NewTask(executor="resize")) for _ in range(count))
        ids = sorted(each.id for each in manager.AddTasks(sent, timeout=PATIENCE))
        with ThreadPoolExecutor(2) as threads:
            for done in [
                threads.submit(lease_and_finish, worker, "w1", held, ended, count),
                threads.submit(lease_and_finish, other, "w2", held, ended, count),
            ]:
                done.result(PATIENCE)
    assert 0 < held.most <= 3
    assert sorted(ended) == ids
