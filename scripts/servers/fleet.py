"""The servers of one folder, and the state file through which commands, tests and benchmarks find them.

Law: every change reads, changes and atomically replaces the state file under the folder's lock, so a test may
restart one server while a command restarts another.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from servers.base import Server
from servers.container import Container
from servers.pgbouncer import PgBouncer
from servers.ports import free_ports
from servers.postgres import Postgres
from servers.process import Process, ServerFailed, launch, tail
from servers.programs import has_programs
from servers.rabbitmq import RabbitMQ
from servers.redis import Redis
from servers.sentinel import Sentinel

KINDS: dict[str, type[Server]] = {
    kind.name: kind for kind in (RabbitMQ, Redis, Sentinel, Postgres, PgBouncer)
}
FOLDER_PREFIX = "taskrunner-services-"
READY_WITHIN = 240.0
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STATE_FILE = "services.json"
_PROBE_INTERVAL = 0.05
_WATCH_INTERVAL = 0.5
_SCRIPT = Path(__file__).parent.parent / "services.py"


class Fleet:
    """The servers under one folder. Keeps no state: each call reads the file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.state_file = self.directory / _STATE_FILE

    @classmethod
    def create(cls, directory: Path | None = None, *, outlives_us: bool = False) -> "Fleet":
        """A new folder, or a given one that holds no servers yet.

        Another process stops the servers if this process ends without doing so; see `watch`.
        """
        fleet = cls(directory or Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)))
        fleet.directory.mkdir(parents=True, exist_ok=True)
        if fleet.state_file.exists():
            raise ServerFailed(f"{fleet.state_file} exists: stop those servers first, or take another --dir")
        # If we are root, PostgreSQL runs as another user, who must reach the folder below this one.
        fleet.directory.chmod(0o711)
        if not outlives_us:
            command = [sys.executable, str(_SCRIPT), "watch", "--dir", str(fleet.directory)]
            words = [*command, "--owner", str(os.getpid())]
            launch(words, log=Path(os.devnull), env=os.environ, cwd=Path("/"))
        return fleet

    def start(self, names: Iterable[str]) -> None:
        """Start the named servers in parallel and return when all are ready."""
        self.launch([self._build(name) for name in names])

    def launch(self, servers: Sequence[Server]) -> None:
        """Start the given servers, each under the name of its folder."""
        with _signals_deferred():  # a process that was launched but not recorded would never be stopped
            for server in servers:
                server.folder.mkdir(exist_ok=True)
                self._record(server)
                try:
                    server.up()
                finally:
                    self._record(server)
        wait_until_ready(servers)

    def server(self, name: str) -> Server:
        """The server of this name, from the state file."""
        services = self.read()["services"]
        if name not in services:
            raise ServerFailed(
                f"{self.directory} holds no {name}; it holds {', '.join(services) or 'nothing'}"
            )
        known = services[name]
        processes = {role: Process(**process) for role, process in known["processes"].items()}
        server = KINDS[known["kind"]](Path(known["data"]), known["ports"], processes)
        return Container(server) if "container" in known else server

    def down(self, name: str, *, kill: bool = False) -> None:
        """Stop a server, gracefully or with kill -9, and keep its data and port."""
        server = self.server(name)
        server.down(kill=kill)
        self._record(server)

    def up(self, name: str) -> None:
        """Start a stopped server on its old data and port; return when it is ready."""
        server = self.server(name)
        if not server.is_running:
            server.up()
            self._record(server)
        wait_until_ready([server])

    def stop(self) -> None:
        """Stop every server and remove all data; a second call does nothing."""
        for name in self.read()["services"]:
            server = self.server(name)
            server.remove()
            shutil.rmtree(server.folder, ignore_errors=True)
        for name in (_STATE_FILE, "lock"):
            (self.directory / name).unlink(missing_ok=True)
        with suppress(OSError):  # a folder of the caller that holds other files stays
            self.directory.rmdir()

    def watch(self, owner: Process) -> None:
        """Wait until the servers are stopped; stop them if `owner` ends first."""
        while not self.state_file.exists() and owner.is_running:
            time.sleep(_WATCH_INTERVAL)
        while self.state_file.exists() and owner.is_running:
            time.sleep(_WATCH_INTERVAL)
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables by which a test run finds the servers."""
        urls = {
            f"TASKRUNNER_TEST_{name.upper().replace('-', '_')}_URL": facts["url"]
            for name, facts in self.read()["services"].items()
        }
        return urls | {"TASKRUNNER_TEST_SERVICES": str(self.state_file)}

    def read(self) -> dict[str, Any]:
        """The content of the state file, or an empty one."""
        try:
            content: dict[str, Any] = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return {"directory": str(self.directory), "services": {}}
        return content

    def _build(self, name: str) -> Server:
        kind = KINDS[name]
        ports = dict(zip(kind.port_names, free_ports(len(kind.port_names)), strict=True))
        server = kind(self.directory / name, ports)
        return server if has_programs(name) else Container(server)

    def _record(self, server: Server) -> None:
        name = server.folder.name
        facts = {
            "kind": server.kind,
            "url": server.url,
            "port": server.port,
            "pid": server.pid,
            "data": str(server.folder),
            "log": str(server.log),
            "ports": server.ports,
            "processes": {role: asdict(process) for role, process in server.processes.items()},
            "control_environment": server.control(),
            "restart": [sys.executable, str(_SCRIPT), "restart", name, "--dir", str(self.directory)],
            **server.describe(),
        }
        with self._locked():
            content = self.read()
            content["services"][name] = facts
            fresh = self.state_file.with_suffix(".new")
            fresh.write_text(json.dumps(content, indent=2) + "\n")
            fresh.replace(self.state_file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def wait_until_ready(servers: Iterable[Server], *, within: float = READY_WITHIN) -> None:
    """Return when every server answers; raise `ServerFailed` with the end of the log of one that does not."""
    deadline = time.monotonic() + within
    waiting = list(servers)
    while waiting:
        waiting = [server for server in waiting if not server.is_ready()]
        for server in waiting:
            if not server.is_running:
                raise ServerFailed(f"{server.folder.name} ended while starting:\n{tail(server.log)}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{server.folder.name} is not ready after {within:.0f} s:\n{tail(server.log)}"
                )
        time.sleep(_PROBE_INTERVAL if waiting else 0)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defer SIGINT, SIGTERM and SIGHUP; a signal that arrives meanwhile is raised afterwards.

    Not with a signal mask: the servers would inherit it and never receive a SIGTERM.
    """
    came: list[int] = []
    old = {number: signal.signal(number, lambda sent, _: came.append(sent)) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def known_folders() -> list[Path]:
    """The folders in the temporary folder that hold servers of this user."""
    found = Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*/{_STATE_FILE}")
    return [path.parent for path in sorted(found) if path.stat().st_uid == os.getuid()]
