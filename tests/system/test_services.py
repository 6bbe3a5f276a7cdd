"""The scripts that start the servers of the other system tests."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import services
from servers.fleet import Fleet
from servers.ports import free_ports
from servers.process import Process, ServerFailed
from servers.programs import install

from tests.tools.waiting import PATIENCE, wait_for

SCRIPT = Path(services.__file__)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A Redis for one test, so that the shared servers stay up."""
    install(["redis"])
    fleet = Fleet.create(tmp_path / "fleet")
    try:
        fleet.start(["redis"])
        yield fleet
    finally:
        fleet.stop()


def redis_says(fleet: Fleet, command: bytes) -> bytes:
    """One inline command, and the beginning of the answer."""
    address = urlsplit(fleet.environment()["TASKRUNNER_TEST_REDIS_URL"])
    assert address.port
    with socket.create_connection(("127.0.0.1", address.port), timeout=PATIENCE) as stream:
        stream.sendall(command + b"\r\n")
        return stream.recv(100)


@pytest.mark.parametrize("kill", [False, True])
def test_a_restarted_server_has_its_port_and_its_data(fleet: Fleet, kill: bool) -> None:
    """Gracefully or by kill -9, Redis is back as another process with what it had written down."""
    assert redis_says(fleet, b"CONFIG SET appendfsync always") == b"+OK\r\n"
    assert redis_says(fleet, b"SET k v") == b"+OK\r\n"
    before = fleet.server("redis").pid
    services.restart("redis", kill=kill, fleet=fleet)
    assert fleet.server("redis").pid != before
    assert redis_says(fleet, b"GET k") == b"$1\r\nv\r\n"


def test_a_server_stays_down_until_it_is_asked_up(fleet: Fleet) -> None:
    """An outage lasts as long as the test wants."""
    services.down("redis", kill=True, fleet=fleet)
    with pytest.raises(ConnectionRefusedError):
        redis_says(fleet, b"PING")
    services.up("redis", fleet=fleet)
    assert redis_says(fleet, b"PING") == b"+PONG\r\n"


def test_a_server_that_is_not_there_is_named(fleet: Fleet) -> None:
    """The message tells what the folder holds instead."""
    with pytest.raises(ServerFailed, match="holds no rabbitmq; it holds redis"):
        services.restart("rabbitmq", fleet=fleet)


def test_a_server_that_cannot_start_shows_its_log(fleet: Fleet) -> None:
    """The error holds the end of the log, since the folder is removed."""
    services.down("redis", fleet=fleet)
    for manifest in fleet.server("redis").folder.glob("appendonlydir/*.manifest"):
        manifest.write_text("not a manifest\n")
    with pytest.raises(ServerFailed, match=r"(?s)ended while starting.*manifest"):
        services.up("redis", fleet=fleet)


def test_the_command_gets_the_url_and_gives_the_exit_code() -> None:
    """`run` is transparent: CI sees the exit code of the tests."""
    check = (
        "import os, sys; sys.exit(7 if os.environ['TASKRUNNER_TEST_REDIS_URL'].startswith('redis://') else 1)"
    )
    done = run_services([sys.executable, "-c", check])
    assert done.wait(PATIENCE) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_a_signal_ends_the_run(tmp_path: Path, number: signal.Signals) -> None:
    """The command ends by the signal, the server is gone, and so is its data."""
    told = tmp_path / "told"
    script = f'cp "$TASKRUNNER_TEST_SERVICES" {told}.new && mv {told}.new {told} && exec sleep 600'
    running = run_services(["sh", "-c", script])
    wait_for(told.exists, "the command runs")
    state = json.loads(told.read_text())
    running.send_signal(number)
    assert running.wait(PATIENCE) == 128 + number
    assert not Path(state["directory"]).exists()
    assert not Process(**state["services"]["redis"]["processes"]["main"]).is_running


def test_nothing_is_left_when_the_run_is_killed(tmp_path: Path) -> None:
    """After a kill -9 of the run, the command and the server end and the data is removed."""
    told = tmp_path / "told"
    note = f'cp "$TASKRUNNER_TEST_SERVICES" {told}.new && echo $$ >{told}.pid && mv {told}.new {told}'
    running = run_services(["sh", "-c", f"{note} && exec sleep 600"])
    wait_for(told.exists, "the command runs")
    state, command = json.loads(told.read_text()), int(Path(f"{told}.pid").read_text())
    running.kill()
    running.wait()
    server = Process(**state["services"]["redis"]["processes"]["main"])
    wait_for(lambda: not (server.is_running or psutil.pid_exists(command)), "both have ended")
    wait_for(lambda: not Path(state["directory"]).exists(), "the data is gone")


def test_a_port_is_given_to_one_process_alone() -> None:
    """Also while nobody listens on it, which is when the server of another test has died."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); from servers.ports import free_ports; "
    code += "print(*free_ports(600)); sys.stdout.flush(); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(SCRIPT.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        taken = {int(port) for port in other.stdout.readline().split()}
        assert taken.isdisjoint(free_ports(200))
        other.communicate()
    assert len(taken) == 600


def run_services(command: list[str]) -> subprocess.Popen[bytes]:
    """`services.py run` with Redis alone, which starts in an instant."""
    start = [sys.executable, str(SCRIPT), "run", "--with", "redis", "--", *command]
    return subprocess.Popen(start, stdin=subprocess.DEVNULL, env=dict(os.environ))
