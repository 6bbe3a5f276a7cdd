"""TLS to a broker or a store whose certificate comes from an authority of one's own."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.domain.backends.service_tls import TlsVerify
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.tools.waiting import PATIENCE

Service = RedisStore | RabbitBroker
# From the port and the file of the authority.
Make = Callable[[int, str], Service]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@asynccontextmanager
async def listening(authority: trustme.CA, name: str) -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """A TLS server with a certificate for `name`: its port, and the first bytes of each client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(8))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def _redis(url: str, **settings: object) -> RedisStore:
    return RedisStore(RedisSettings(address=url, **settings), Events())  # type: ignore[arg-type]  # mixed


def _rabbit(url: str, ca_file: str | None = None) -> RabbitBroker:
    return RabbitBroker(RabbitSettings(addresses=(url,), ca_file=ca_file), Events())


ACCEPTED: dict[str, tuple[str, Make]] = {
    "redis setting": ("localhost", lambda port, ca: _redis(f"rediss://localhost:{port}", ca_file=ca)),
    "redis section": ("localhost", lambda port, ca: _redis(f"localhost:{port}", ca_file=ca, tls=True)),
    "redis url": ("localhost", lambda port, ca: _redis(f"rediss://localhost:{port}?ssl_ca_certs={ca}")),
    "redis ssl=true": (
        "localhost",
        lambda port, ca: _redis(f"redis+sentinel://localhost:{port}/main?ssl=true&ssl_ca_certs={ca}"),
    ),
    "redis any name": (
        "other.test",
        lambda port, ca: _redis(f"rediss://localhost:{port}", ca_file=ca, verify=TlsVerify.CA),
    ),
    "redis unchecked": (
        "other.test",
        lambda port, _: _redis(f"rediss://localhost:{port}?ssl_cert_reqs=none"),
    ),
    "rabbit setting": ("localhost", lambda port, ca: _rabbit(f"amqps://localhost:{port}/", ca)),
    "rabbit url": ("localhost", lambda port, ca: _rabbit(f"amqps://localhost:{port}/?cacertfile={ca}")),
    "rabbit name": (
        "other.test",
        lambda port, ca: _rabbit(f"amqps://localhost:{port}/?server_name_indication=other.test", ca),
    ),
    "rabbit unchecked": (
        "other.test",
        lambda port, _: _rabbit(f"amqps://localhost:{port}/?verify=verify_none"),
    ),
}
REFUSED: dict[str, tuple[str, Make]] = {
    "redis system": ("localhost", lambda port, _: _redis(f"rediss://localhost:{port}")),
    "redis name": ("other.test", lambda port, ca: _redis(f"rediss://localhost:{port}", ca_file=ca)),
    "rabbit system": ("localhost", lambda port, _: _rabbit(f"amqps://localhost:{port}/")),
    "rabbit name": ("other.test", lambda port, ca: _rabbit(f"amqps://localhost:{port}/", ca)),
}


@pytest.mark.parametrize(("name", "make"), ACCEPTED.values(), ids=ACCEPTED)
async def test_a_certificate_that_is_trusted(
    authority: trustme.CA, ca_file: str, name: str, make: Make
) -> None:
    """The first bytes of the protocol go out."""
    async with listening(authority, name) as (port, heard):
        service = make(port, ca_file)
        await service.start()
        try:
            async with asyncio.timeout(PATIENCE):
                assert (await heard.get())[:1] in {b"*", b"A"}
        finally:
            await service.stop()


@pytest.mark.parametrize(("name", "make"), REFUSED.values(), ids=REFUSED)
async def test_a_certificate_that_is_not_trusted(
    authority: trustme.CA, ca_file: str, name: str, make: Make
) -> None:
    """Nothing goes out, and the error says that it is the certificate."""
    async with listening(authority, name) as (port, heard):
        service = make(port, ca_file)
        await service.start()
        try:
            with pytest.raises(OutsideError, match="certificate"):
                await service.wait_ready(1.0)
            assert heard.empty()
        finally:
            await service.stop()
