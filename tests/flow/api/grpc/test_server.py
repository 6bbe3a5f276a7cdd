"""The gRPC server: its port, TLS with the certificate of the API, health, reflection, and its end."""

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.domain.errors import ConfigInvalid, SetupError
from taskrunner.domain.process_events import PortOpened, RequestFailed
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.runtime.server_certificate import CertificateFiles
from taskrunner.stores.redis.store import RedisStore
from taskrunner.v1 import task_executor_pb2 as pb
from taskrunner.v1.task_executor_pb2_grpc import TaskExecutorManagerStub
from tests.flow.api.grpc.harness import GrpcApi, refused, rest_of, serving
from tests.flow.api.harness import Api
from tests.tools.waiting import eventually, in_time

CA = trustme.CA()
KEYLESS = AccessSettings()
SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1alpha.ServerReflection",
    "taskrunner.v1.TaskExecutor",
    "taskrunner.v1.TaskExecutorManager",
]


async def test_a_port_that_is_taken_is_named(rpc: GrpcApi) -> None:
    """Two servers on one port would each get some of the calls."""
    assert PortOpened(address=rpc.address, setting="Grpc.port") in rpc.api.events
    with pytest.raises(SetupError, match=rf"{rpc.address} is in use.*set Grpc\.port to another"):
        async with serving(rpc.api, KEYLESS, GrpcSettings(), port=rpc.server.port):
            pass


async def test_reflection_lists_what_is_served(rpc: GrpcApi) -> None:
    """And has the messages of the services, from which a client can be made."""
    stub: Any = ServerReflectionStub(rpc.channel)  # type: ignore[arg-type]  # its types know no aio
    asked = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol=SERVICES[-1]),
    ]
    listed, file = [each async for each in stub.ServerReflectionInfo(iter(asked))]
    assert sorted(each.name for each in listed.list_services_response.service) == SERVICES
    assert pb.DESCRIPTOR.serialized_pb in file.file_descriptor_response.file_descriptor_proto


async def test_health_is_that_of_the_process(rpc: GrpcApi) -> None:
    """For the server and each service; who watches hears of a change."""
    stub: Any = health_pb2_grpc.HealthStub(rpc.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    for service in ("", SERVICES[-1]):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    rpc.api.health.close("stopping")
    answer = await stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    async with in_time("the change"):
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    unknown = await refused(stub.Check(health_pb2.HealthCheckRequest(service="none")))
    assert unknown.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("grpc_settings", [GrpcSettings(shutdown_grace=30.0)])
async def test_calls_under_way_are_answered_when_the_server_stops(
    rpc: GrpcApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New ones are refused; streams are ended, and say so."""
    task_id = (await rpc.add()).task.id
    watch = rpc.manager.WatchTask(pb.WatchTaskRequest(id=task_id))
    await watch.read()
    begun, go_on, get = asyncio.Event(), asyncio.Event(), RedisStore.get

    async def slow_get(store: RedisStore, wanted: str) -> Any:
        begun.set()
        await go_on.wait()
        return await get(store, wanted)

    monkeypatch.setattr(RedisStore, "get", slow_get)
    reading = asyncio.ensure_future(rpc.manager.GetTask(pb.GetTaskRequest(id=task_id)))
    await begun.wait()
    stopping = asyncio.gather(rpc.server.stop(), rpc.api.app.shutdown())
    async with in_time("the end of the stream"):
        assert (await refused(rest_of(watch))).code is grpc.StatusCode.UNAVAILABLE
    assert (await refused(rpc.add())).code is grpc.StatusCode.UNAVAILABLE
    go_on.set()
    async with in_time("the answer, and the end"):
        assert (await reading).id == task_id
        await stopping


async def test_an_unexpected_error_is_shown_as_an_id(rpc: GrpcApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under which the log has the rest."""

    async def broken(store: RedisStore, task_id: str) -> Any:
        raise KeyError("a secret")

    monkeypatch.setattr(RedisStore, "get", broken)
    refusal = await refused(rpc.manager.GetTask(pb.GetTaskRequest(id="t")))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL_ERROR")
    assert "secret" not in refusal.message
    (failed,) = [event for event in rpc.api.events if isinstance(event, RequestFailed)]
    assert failed.path == "/taskrunner.v1.TaskExecutorManager/GetTask"


async def test_a_store_that_is_away_is_told(rpc: GrpcApi) -> None:
    """With the seconds until it is worth a try."""
    rpc.api.redis.connected = False
    refusal = await refused(rpc.add())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert refusal.retry_after == 2
    rpc.api.redis.connected = True


def write(cert: trustme.LeafCert, folder: Path) -> CertificateFiles:
    """The files of a certificate, put in place by renaming."""
    for name, blob in (
        ("key.pem", cert.private_key_pem.bytes()),
        ("cert.pem", b"".join(each.bytes() for each in cert.cert_chain_pems)),
    ):
        (folder / "new").write_bytes(blob)
        os.replace(folder / "new", folder / name)
    return CertificateFiles(cert=str(folder / "cert.pem"), key=str(folder / "key.pem"))


async def serial_number(port: int) -> int:
    """Of the certificate that a client is shown."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="api.test")
    try:
        return int(writer.get_extra_info("peercert")["serialNumber"], 16)
    finally:
        writer.close()


async def ask(port: int, *credentials: bytes) -> pb.AddTaskResponse:
    """A call over TLS."""
    made = grpc.ssl_channel_credentials(CA.cert_pem.bytes(), *credentials)
    options = (("grpc.ssl_target_name_override", "api.test"),)
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", made, options=options) as channel:
        stub: Any = TaskExecutorManagerStub(channel)
        answer: pb.AddTaskResponse = await stub.AddTask(
            pb.AddTaskRequest(task=pb.NewTask(url="http://example.com/"))
        )
        return answer


async def test_a_renewed_certificate_is_picked_up(api: Api, tmp_path: Path) -> None:
    """A pair of which only one half is new leaves the one before in place."""
    first, second = CA.issue_cert("api.test"), CA.issue_cert("api.test")
    options = GrpcSettings(certificate=write(first, tmp_path), shutdown_grace=0.0)
    async with serving(api, KEYLESS, options) as server:
        assert (await ask(server.port)).created
        before = await serial_number(server.port)
        (tmp_path / "key.pem").write_bytes(second.private_key_pem.bytes())
        assert await serial_number(server.port) == before
        write(second, tmp_path)

        async def is_renewed() -> bool:
            return await serial_number(server.port) != before

        await eventually(is_renewed)
        assert (await ask(server.port)).created


async def test_clients_with_a_certificate(api: Api, tmp_path: Path) -> None:
    """Those of our authority get in, others do not."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = write(CA.issue_cert("api.test"), tmp_path)
    certificate = CertificateFiles(cert=files.cert, key=files.key, client_ca=str(tmp_path / "ca.pem"))
    known, stranger = CA.issue_cert("client.test"), trustme.CA().issue_cert("client.test")
    options = GrpcSettings(certificate=certificate, shutdown_grace=0.0)
    async with serving(api, KEYLESS, options) as server:
        shown = known.private_key_pem.bytes(), known.cert_chain_pems[0].bytes()
        assert (await ask(server.port, *shown)).created
        foreign = stranger.private_key_pem.bytes(), stranger.cert_chain_pems[0].bytes()
        for credentials in ((), foreign):
            assert (await refused(ask(server.port, *credentials))).code is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_cannot_be_used_is_named(api: Api, tmp_path: Path) -> None:
    missing = GrpcSettings(certificate=CertificateFiles(cert=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigInvalid, match=r"Api\.cert_file: cannot use .*none\.pem"):
        async with serving(api, KEYLESS, missing):
            pass
