"""What systemd is told through its notify socket: ready, stopping, and that the event loop lives."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskrunner.app.all import run_all
from taskrunner.app.embedded import embedded_config
from taskrunner.app.services import running
from taskrunner.domain.events import Event, Events, LoopFailed
from taskrunner.runtime.service import FAULT_PAUSE
from taskrunner.runtime.service_manager import READY, STOPPING, ServiceManager
from tests.tools.waiting import PATIENCE, eventually

PID = 4711


class Systemd:
    """The socket that systemd reads, and what it has read."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)

    async def read(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return (await asyncio.get_running_loop().sock_recv(self._socket, 4096)).decode()

    def unread(self) -> list[str]:
        """What was sent until now."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/notify" if request.param == "path" else f"@taskrunner-test-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[Systemd]:
    listener = Systemd(address)
    yield listener
    listener.close()


@asynccontextmanager
async def told_by(environ: dict[str, str], events: Events | None = None) -> AsyncIterator[ServiceManager]:
    manager = ServiceManager(environ, PID, events or Events())
    async with running(manager):
        yield manager


async def test_states_are_sent_once_and_in_order(address: str, systemd: Systemd) -> None:
    """Without a watchdog nothing but the states is sent."""
    async with told_by({"NOTIFY_SOCKET": address}) as manager:
        manager.tell(READY)
        assert await systemd.read() == "READY=1"
        manager.tell(STOPPING)
        assert await systemd.read() == "STOPPING=1"
    assert systemd.unread() == []


async def test_the_watchdog_is_pinged(address: str, systemd: Systemd) -> None:
    """Pings come by themselves, and states travel with them."""
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(PID)}
    async with told_by(environ) as manager:
        for _ in range(3):
            assert await systemd.read() == "WATCHDOG=1"
        manager.tell(READY)
        while "READY=1" not in (message := await systemd.read()).split("\n"):
            assert message == "WATCHDOG=1"


async def test_a_loop_that_hangs_pings_no_watchdog(address: str, systemd: Systemd) -> None:
    """A ping of a thread or of the kernel would prove nothing."""
    async with told_by({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000"}):
        await systemd.read()
        systemd.unread()
        time.sleep(0.02)  # noqa: ASYNC251 - the hang: ten times what the watchdog allows
        assert systemd.unread() == []
        assert await systemd.read() == "WATCHDOG=1"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
async def test_no_watchdog_gets_no_pings(environ: dict[str, str], address: str, systemd: Systemd) -> None:
    """Neither without a time, nor for a process whose parent is watched."""
    async with told_by({"NOTIFY_SOCKET": address, **environ}) as manager:
        manager.tell(READY)
        assert await systemd.read() == "READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"WATCHDOG_USEC": "2000"}])
async def test_without_systemd_nothing_runs(environ: dict[str, str]) -> None:
    """A process that nobody manages has no task for it."""
    before = asyncio.all_tasks()
    async with told_by(environ) as manager:
        manager.tell(READY)
        assert asyncio.all_tasks() == before


async def test_a_socket_that_is_gone_is_reported_once(tmp_path: Path) -> None:
    """The process runs on: systemd itself decides about a unit that stays silent."""
    told: list[Event] = []
    events = Events()
    events.subscribe(told.append)
    async with told_by({"NOTIFY_SOCKET": f"{tmp_path}/gone"}, events) as manager:
        manager.tell(READY)
        await eventually(lambda: told)
    assert [type(each) for each in told] == [LoopFailed]


async def test_a_state_that_could_not_be_sent_is_sent_again(tmp_path: Path) -> None:
    """Or systemd would give up on a unit that is long ready."""
    address = f"{tmp_path}/late"
    manager = ServiceManager({"NOTIFY_SOCKET": address}, PID, Events())
    manager.tell(READY)
    with pytest.raises(FileNotFoundError):
        await manager.turn()
    assert await manager.turn() == FAULT_PAUSE
    late = Systemd(address)
    manager.tell(STOPPING)
    for _ in range(2):
        await manager.turn()
    assert late.unread() == ["READY=1\nSTOPPING=1"]
    late.close()


async def test_a_process_tells_when_it_is_ready_and_when_it_stops(
    address: str, systemd: Systemd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that depend on it start after READY=1, and a stop by signal is announced before the work ends."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    ports = {"Api.port": 0, "Grpc.enabled": False}
    config = embedded_config(tmp_path, settings=ports, environ={})
    process = asyncio.create_task(run_all(config, upgrade=True, monitor_page=False))
    assert await systemd.read() == "READY=1"
    os.kill(os.getpid(), signal.SIGTERM)
    assert await systemd.read() == "STOPPING=1"
    async with asyncio.timeout(PATIENCE):
        assert await process == 0
