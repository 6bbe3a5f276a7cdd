"""`taskrunner healthcheck` asks where the configuration says, and nobody else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import yaml
from click.testing import CliRunner, Result

from taskrunner.cli.main import main
from taskrunner.config.endpoints import local_endpoint
from tests.tools.waiting import PATIENCE

ROOT = Path(__file__).parents[3]


def check(*words: str, **environ: str) -> Result:
    # A proxy that answers nobody: the check must not go through it.
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
    return CliRunner().invoke(main, ["healthcheck", *words], env={**proxy, **environ})


@contextmanager
def answering(host: str, status: int) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one request; its port, and what it was asked."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    asked: list[bytes] = []
    dual = host == "::"
    with socket.create_server((host, 0), family=family, dualstack_ipv6=dual) as listener:
        listener.settimeout(PATIENCE)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], asked
        thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("listens", "addr", "shown"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2", "127.0.0.2"),
        ("::1", "::1", "[::1]"),
        ("::1", "[::1]", "[::1]"),
        ("::", "::", "127.0.0.1"),
        ("::", "[::]", "127.0.0.1"),
        ("::", "0:0::0", "127.0.0.1"),
        ("127.0.0.1", "localhost", "localhost"),
    ],
)
def test_the_check_follows_the_configured_address(listens: str, addr: str, shown: str) -> None:
    """A wildcard means loopback, and brackets belong to the port."""
    with answering(listens, 200) as (port, asked):
        result = check(TASKRUNNER_API__ADDR=addr, TASKRUNNER_API__PORT=str(port))
    assert (result.exit_code, result.output) == (0, f"serve at {shown}:{port}: ok\n")
    assert asked[0].startswith(b"GET /livez HTTP/1.1\r\n")
    assert f"Host: {shown}:{port}\r\n".encode() in asked[0]


@pytest.mark.parametrize(
    ("process", "section", "path"),
    [("serve", "API", b"/livez"), ("all", "API", b"/livez"), ("consume", "SERVER", b"/readyz")],
)
def test_each_process_has_its_section_and_its_route(process: str, section: str, path: bytes) -> None:
    """Anything but 200 is unhealthy: exit code 1, since Docker reserves 2."""
    with answering("127.0.0.1", 503) as (port, asked):
        environ = {f"TASKRUNNER_{section}__ADDR": "127.0.0.1", f"TASKRUNNER_{section}__PORT": str(port)}
        result = check(process, **environ)
    assert (result.exit_code, asked[0].split()[1]) == (1, path)
    assert result.output == f"{process} at 127.0.0.1:{port}: {path.decode()} answered 503\n"


def test_nobody_there_is_unhealthy() -> None:
    result = check(TASKRUNNER_API__ADDR="::1", TASKRUNNER_API__PORT="1")
    assert (result.exit_code, result.output) == (1, "serve at [::1]:1: Connection refused\n")


def test_a_free_port_cannot_be_checked() -> None:
    """The message names the setting."""
    result = check(TASKRUNNER_API__PORT="0")
    assert result.exit_code == 2
    assert "Api.port: 0 means any free port" in result.output


@pytest.mark.parametrize("addr", ["::ffff:0.0.0.0", "::", "0.0.0.0"])
def test_every_wildcard_means_loopback(addr: str) -> None:
    assert local_endpoint(addr, 8000) == ("127.0.0.1", 8000)


def test_what_ships_uses_the_command() -> None:
    """The image asks `serve`; each service of the compose file asks for itself."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, process in (("api", "serve"), ("consumer", "consume")):
        assert services[name]["healthcheck"]["test"] == ["CMD", "taskrunner", "healthcheck", process]
        assert services[name]["command"] == [process]
    assert 'CMD ["taskrunner", "healthcheck"]' in (ROOT / "Dockerfile").read_text()
