"""TLS of the API: the certificate, its renewal, certificates of clients, and clients that never finish."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from aiohttp import web

from taskrunner.api.http import server as server_module
from taskrunner.api.http.connection import ClientConnection, ConnectionServer
from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ServerSettings
from taskrunner.api.http.tls_acceptor import TlsAcceptor
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.events import Event, Events
from taskrunner.domain.process_events import CertificateRefused, CertificateRenewed, CertificateShown
from taskrunner.runtime.server_certificate import ServerCertificate
from tests.tools.waiting import PATIENCE, eventually, in_time

CA = trustme.CA()


def write(cert: trustme.LeafCert, folder: Path) -> dict[str, str]:
    """The files of a certificate, put in place as an administrator's tool does it: by renaming."""
    files = {"cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}
    for name, blob in (
        ("key_file", cert.private_key_pem.bytes()),
        ("cert_file", b"".join(each.bytes() for each in cert.cert_chain_pems)),
    ):
        new = folder / "new"
        new.write_bytes(blob)
        os.replace(new, files[name])
    return {name: str(path) for name, path in files.items()}


@asynccontextmanager
async def serving(
    log: list[Event], request_timeout: float = PATIENCE, /, **files: str
) -> AsyncIterator[WebServer]:
    events = Events()
    events.subscribe(log.append)
    options = ServerSettings(request_timeout=request_timeout, **files)  # type: ignore[arg-type] # only files are given
    server = WebServer(web.Application(), "127.0.0.1", 0, events=events, options=options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


async def ask(server: WebServer, context: ssl.SSLContext) -> tuple[bytes, int]:
    """The first line of an answer, and the serial number of the certificate."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=context, server_hostname="api.test"
    )
    try:
        writer.write(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with in_time("an answer"):
            line = await reader.readline()
        return line, int(writer.get_extra_info("peercert")["serialNumber"], 16)
    finally:
        writer.close()


async def test_the_api_speaks_tls(tmp_path: Path) -> None:
    """And nothing older than 1.2."""
    log: list[Event] = []
    async with serving(log, **write(CA.issue_cert("api.test"), tmp_path)) as server:
        assert (await ask(server, trusting()))[0] == b"HTTP/1.1 404 Not Found\r\n"
        old = trusting()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, OSError)):
            await ask(server, old)


async def test_the_end_of_the_certificate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of our own, not of the authority's behind it; and of the one that replaces it."""
    monkeypatch.setattr(server_module, "_CERTIFICATE_LOOK", 0.01)
    log: list[Event] = []
    ends = [datetime(year, 1, 1, tzinfo=UTC) for year in (2036, 2037)]
    certificates = [CA.issue_cert("api.test", not_after=end) for end in ends]
    async with serving(log, **write(certificates[0], tmp_path)):
        write(certificates[1], tmp_path)
        await eventually(lambda: any(isinstance(event, CertificateRenewed) for event in log))
    assert [event.ends_at for event in log if isinstance(event, CertificateShown)] == ends


async def test_a_renewed_certificate_is_picked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair of which only one half is new, or a file that is none, leaves the one before in place."""
    monkeypatch.setattr(server_module, "_CERTIFICATE_LOOK", 0.01)
    log: list[Event] = []
    first, second = CA.issue_cert("api.test"), CA.issue_cert("api.test")
    async with serving(log, **write(first, tmp_path)) as server:
        _, before = await ask(server, trusting())
        (tmp_path / "key.pem").write_bytes(second.private_key_pem.bytes())
        await eventually(lambda: any(isinstance(event, CertificateRefused) for event in log))
        assert (await ask(server, trusting()))[1] == before
        write(second, tmp_path)
        await eventually(lambda: any(isinstance(event, CertificateRenewed) for event in log))
        _, after = await ask(server, trusting())
        assert after != before
        refused = [event for event in log if isinstance(event, CertificateRefused)]
        assert all("cert.pem" in event.error for event in refused)
        (tmp_path / "cert.pem").unlink()
        await eventually(lambda: any("No such file" in each.error for each in log if hasattr(each, "error")))
        assert (await ask(server, trusting()))[1] == after


async def test_clients_with_a_certificate(tmp_path: Path) -> None:
    """Those of our authority get in, others do not."""
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = write(CA.issue_cert("api.test"), tmp_path)
    async with serving([], client_ca_file=str(tmp_path / "ca.pem"), **files) as server:
        known = trusting()
        CA.issue_cert("client.test").configure_cert(known)
        assert (await ask(server, known))[0] == b"HTTP/1.1 404 Not Found\r\n"
        stranger = trusting()
        trustme.CA().issue_cert("client.test").configure_cert(stranger)
        for context in (trusting(), stranger):
            with pytest.raises((ssl.SSLError, OSError, AssertionError)):
                assert (await ask(server, context))[0] != b""


async def test_a_client_that_never_begins_is_cut(tmp_path: Path) -> None:
    """Before the handshake, in its middle, and with half a request after it."""
    async with serving([], 1.0, **write(CA.issue_cert("api.test"), tmp_path)) as server:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            async with in_time("the server closes the connection"):
                await reader.read()
            writer.close()
    # The handshake has the same time, of which a busy machine needs more.
    async with serving([], 3.0, **write(CA.issue_cert("api.test"), tmp_path)) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=trusting(), server_hostname="api.test"
        )
        writer.write(b"GET / HT")
        async with in_time("the server closes the connection"):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


@asynccontextmanager
async def accepting(folder: Path, **options: Any) -> AsyncIterator[tuple[ConnectionServer, int]]:
    """Connections of clients, with TLS, and the port."""
    settings = ServerSettings(**options, **write(CA.issue_cert("api.test"), folder))  # type: ignore[arg-type] # files
    assert settings.certificate is not None
    runner = web.AppRunner(web.Application())
    await runner.setup()
    assert runner.server is not None
    server = ConnectionServer(runner.server, {}, Events(), settings)
    context = ServerCertificate(settings.certificate, "Api").context
    acceptor = TlsAcceptor(server, context, settings.request_timeout)
    listener = await asyncio.get_running_loop().create_server(acceptor, "127.0.0.1", 0)
    try:
        yield server, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await acceptor.stop()
        await server.shutdown(1.0)
        await runner.cleanup()


async def test_a_handshake_takes_its_time_from_the_first_request(tmp_path: Path) -> None:
    """The clock of the first head has run since the connection was accepted."""
    loop = asyncio.get_running_loop()
    async with accepting(tmp_path) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await eventually(lambda: server.places.count == 1)
        accepted_by = loop.time()
        await writer.start_tls(trusting(), server_hostname="api.test")
        writer.write(b"GET / HT")
        await eventually(lambda: [each for each in server.connections if not each.is_silent])  # type: ignore[attr-defined] # ours
        (connection,) = server.connections
        assert isinstance(connection, ClientConnection)
        assert connection.receiving_since is not None
        assert connection.receiving_since <= accepted_by
        connection.end_if_slow(-1.0)  # as if it had taken longer
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()
        await eventually(lambda: server.places.count == 0)


async def test_a_failed_handshake_gives_its_place_back(tmp_path: Path) -> None:
    """Whether the client talks nonsense, leaves in the middle, or is turned away for its certificate."""
    async with accepting(tmp_path) as (server, port):
        for sent, leaves in (
            (b"GET / HTTP/1.1\r\n\r\n", False),
            (b"\x16\x03\x01\x02\x00\x01", True),
            (b"", True),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await eventually(lambda: server.places.count == 1)
            if leaves:
                writer.close()
            async with in_time("the end of the connection"):
                await reader.read()
            writer.close()
            await eventually(lambda: server.places.count == 0)
        with pytest.raises(ssl.SSLError):
            await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        await eventually(lambda: server.places.count == 0)


async def test_handshakes_count_as_connections(tmp_path: Path) -> None:
    """The one that has lasted longest gives way; sockets that never begin one lock nobody out."""
    async with accepting(tmp_path, max_connections=2) as (server, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
        for reader, _ in silent[:58]:
            async with in_time("the server closes the connection"):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
        await eventually(lambda: server.places.count == 2)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting(), server_hostname="api.test"
        )
        writer.write(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        for _, each in (*silent, (reader, writer)):
            each.close()
        await eventually(lambda: server.places.count == 0)


@pytest.mark.parametrize(
    ("broken", "setting"),
    [("cert_file", "Api.cert_file"), ("key_file", "Api.cert_file"), ("client_ca_file", "Api.client_ca_file")],
)
@pytest.mark.parametrize("content", [None, b"", b"nothing"])
async def test_a_file_that_cannot_be_used(
    tmp_path: Path, broken: str, setting: str, content: bytes | None
) -> None:
    """The start is refused, with the setting, the file and the reason."""
    files = write(CA.issue_cert("api.test"), tmp_path)
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(ConfigInvalid) as caught:
        async with serving([], **{**files, broken: str(bad)}):
            raise AssertionError("it has started")
    assert [error.field for error in caught.value.errors] == [setting]
    assert "bad.pem" in str(caught.value)


@pytest.mark.parametrize(
    "case",
    [
        test_the_api_speaks_tls,
        test_a_handshake_takes_its_time_from_the_first_request,
        test_a_failed_handshake_gives_its_place_back,
        test_handshakes_count_as_connections,
    ],
)
def test_the_same_on_the_loop_of_the_product(
    tmp_path: Path, case: Callable[[Path], Coroutine[Any, Any, None]]
) -> None:
    """`asyncio` and `uvloop` differ in what they do with a socket, and in when."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(case(tmp_path))
