"""RemoteWorker runs the handlers of a program for tasks of remote executors."""

import asyncio
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from google.protobuf.duration_pb2 import Duration

from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.domain.errors import HandlersInvalid
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.runtime.server_certificate import CertificateFiles
from taskrunner.sdk import Task, handler
from taskrunner.sdk.remote import RemoteWorker, Tls, WorkerRefused
from taskrunner.v1 import task_executor_pb2 as pb
from tests.flow.api.grpc.harness import GrpcApi, serving
from tests.flow.api.grpc.remote_worker_harness import (
    Gate,
    later,
    record_of,
    result_of,
    submit,
    working,
)
from tests.flow.api.harness import Api
from tests.tools.waiting import eventually, in_time

KEYLESS = AccessSettings()

pytestmark = pytest.mark.usefixtures("registry")


async def test_progress_is_shown_while_the_handler_runs(remote: GrpcApi) -> None:
    gate = Gate()

    @handler("resize")
    def resize(task: Task[Any]) -> object:
        task.progress(0.5, "half")
        return gate(task)

    async with working(remote):
        task_id = await submit(remote)

        async def is_half() -> bool:
            record = await remote.api.store.get(task_id)
            progress = None if record is None else record.progress
            return progress is not None and (progress.fraction, progress.message) == (0.5, "half")

        await eventually(is_half)
        gate.open.set()


async def test_a_handler_learns_that_its_task_was_cancelled(remote: GrpcApi) -> None:
    """By the heartbeat; and what it returns then changes nothing."""
    heard = threading.Event()

    @handler("resize")
    def resize(task: Task[Any]) -> object:
        for step in range(10_000):
            if task.cancelled:
                heard.set()
                break
            task.progress(step / 10_000)
            threading.Event().wait(0.02)
        return "late"

    async with working(remote):
        task_id = await submit(remote)
        await record_of(remote, task_id, Status.RUNNING)
        await remote.api.ask("POST", f"/tasks/{task_id}/cancel")
        await eventually(heard.is_set)
    assert (await record_of(remote, task_id, Status.CANCELLED)).result is None


async def test_a_late_end_changes_nothing_and_is_told(
    remote: GrpcApi, caplog: pytest.LogCaptureFixture
) -> None:
    """The lease was lost, and the task waits for another attempt."""
    gate = Gate()
    handler("resize")(gate)
    async with working(remote):
        task_id = await submit(remote)
        await eventually(gate.entered.is_set)
        record = await record_of(remote, task_id, Status.RUNNING)
        now = datetime.now(UTC)
        outcome = Outcome(kind=OutcomeKind.INTERRUPTED, counted=False)
        verdict = Verdict(status=Status.RETRYING, reason="in a test", due=now, counted=False)
        lost = settlement(
            record.task, record.attempts[0], outcome, verdict, RetentionSettings(), now=now, webhooks=()
        )
        assert await remote.api.store.settle([lost], now=now) == [True]
        gate.open.set()
        await eventually(lambda: f"task {task_id}: the attempt was over" in caplog.text)
    assert (await record_of(remote, task_id, Status.RETRYING)).result is None


async def test_a_server_that_comes_back_hears_what_ended_meanwhile(remote: GrpcApi) -> None:
    """And hands out tasks again."""
    gate = Gate()
    handler("resize")(gate)
    async with working(remote, concurrency=1):
        first = await submit(remote)
        await eventually(gate.entered.is_set)
        second = await submit(remote)
        port = remote.server.port
        await remote.server.stop()
        gate.open.set()
        async with serving(remote.api, KEYLESS, GrpcSettings(shutdown_grace=0.0), port=port):
            await record_of(remote, first, Status.SUCCEEDED)
            await record_of(remote, second, Status.SUCCEEDED)


@pytest.mark.parametrize("api_options", [{"max_waits": 1}])
async def test_a_worker_that_may_not_wait_asks_again(remote: GrpcApi) -> None:
    """Another one has the only wait that the server allows."""
    await remote.api.make_executor("other", kind="remote")
    request = pb.GetNextTasksRequest(executor="other", worker="w2", wait=Duration(seconds=60))
    waiting = remote.worker.GetNextTasks(request)
    await eventually(lambda: remote.api.live.waits == 1)
    handler("resize")(later)
    async with working(remote):
        await record_of(remote, await submit(remote), Status.SUCCEEDED)
        await record_of(remote, await submit(remote), Status.SUCCEEDED)
    assert remote.api.live.waits == 1
    waiting.cancel()


async def test_what_runs_may_end_when_the_worker_stops(remote: GrpcApi) -> None:
    """Nothing more is leased."""
    gate = Gate()
    handler("resize")(gate)
    async with working(remote) as worker:
        first = await submit(remote)
        await eventually(gate.entered.is_set)
        worker.stop()
        await eventually(lambda: remote.api.live.waits == 0)
        second = await submit(remote)
        gate.open.set()
    await record_of(remote, first, Status.SUCCEEDED)
    await record_of(remote, second, Status.QUEUED, Status.SCHEDULED)


async def test_what_does_not_end_in_time_is_given_back(remote: GrpcApi) -> None:
    """The handler is told; the attempt does not count, whatever it still returns."""
    gate = Gate()
    handler("resize")(gate)
    async with working(remote, grace=0.0) as worker:
        task_id = await submit(remote)
        await eventually(gate.entered.is_set)
        worker.stop()
    # At once, so that it may be in its queue by now.
    record = await record_of(remote, task_id, Status.SCHEDULED, Status.QUEUED)
    gate.open.set()
    await eventually(lambda: gate.saw_cancel)
    (attempt,) = record.attempts
    assert (attempt.counted, attempt.outcome) == (False, OutcomeKind.SNOOZED)
    assert "the worker stops" in (attempt.error or "")


async def test_a_worker_has_a_key(remote: GrpcApi) -> None:
    """One that the server does not take ends with what it says."""
    handler("resize")(later)
    key = await remote.api.make_key("worker", Scope.ADMIN)
    with pytest.raises(WorkerRefused, match="UNAUTHENTICATED"):
        await RemoteWorker(remote.address).serve()
    answer = await remote.add(key, url="", executor="resize", data_json="1")
    async with working(remote, key=key):
        await record_of(remote, answer.task.id, Status.SUCCEEDED)


async def test_what_is_wrong_at_the_start_is_told(rpc: GrpcApi) -> None:
    with pytest.raises(HandlersInvalid, match="no handler is registered"):
        await RemoteWorker(rpc.address).serve()
    handler("unheard_of")(later)
    with pytest.raises(WorkerRefused, match=r"executor unheard_of: NOT_FOUND"):
        await RemoteWorker(rpc.address).serve()
    with pytest.raises(ValueError, match="name must be 1 to 64"):
        RemoteWorker(rpc.address, name="a b")
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        RemoteWorker(rpc.address, concurrency=0)


async def test_a_worker_speaks_tls(api: Api, tmp_path: Path) -> None:
    """It trusts the authorities of a file, and shows a certificate of its own."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, host in (("server", "127.0.0.1"), ("client", "client.test")):
        cert = ca.issue_cert(host)
        cert.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        cert.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    place = str(tmp_path)
    certificate = CertificateFiles(
        cert=f"{place}/server.pem", key=f"{place}/server.key", client_ca=f"{place}/ca.pem"
    )
    tls = Tls(ca_file=f"{place}/ca.pem", cert_file=f"{place}/client.pem", key_file=f"{place}/client.key")
    handler("unheard_of")(later)
    async with serving(api, KEYLESS, GrpcSettings(shutdown_grace=0.0, certificate=certificate)) as server:
        with pytest.raises(WorkerRefused, match="NOT_FOUND"):
            await RemoteWorker(f"127.0.0.1:{server.port}", tls=tls).serve()
    with pytest.raises(ValueError, match="both cert_file and key_file"):
        RemoteWorker("127.0.0.1:1", tls=Tls(cert_file=f"{place}/client.pem"))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_program_gracefully(remote: GrpcApi, sent: signal.Signals) -> None:
    """What runs comes to its end, and is told."""
    program = f"""
import sys
from taskrunner.sdk.remote import RemoteWorker
worker = RemoteWorker({remote.address!r})
def resize(task):
    print("runs", flush=True)
    return sys.stdin.readline()
worker.register("resize", resize)
worker.run()
"""
    task_id = await submit(remote)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with in_time("the worker"):
        assert await process.stdout.readline() == b"runs\n"
        process.send_signal(sent)
        await eventually(lambda: remote.api.live.waits == 0)
        process.stdin.write(b"done\n")
        assert await process.wait() == 0
    await record_of(remote, task_id, Status.SUCCEEDED)
    assert await result_of(remote, task_id) == b'"done\\n"'
