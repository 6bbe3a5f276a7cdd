"""The base of every private server, native or in a container."""

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from servers.process import Process, launch

_FOREIGN_SETTINGS = ("RABBITMQ_", "ERL_", "PG", "NOTIFY_SOCKET", "RUNNING_UNDER_SYSTEMD")


class Server(ABC):
    """One server with its folder and ports; it can be stopped and started again with the same data.

    `processes` is keyed by role; `main` is the server itself.
    """

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]] = ("main",)
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    kill_signal: ClassVar[signal.Signals] = signal.SIGKILL
    stop_within: ClassVar[float] = 60.0

    def __init__(
        self, folder: Path, ports: dict[str, int], processes: dict[str, Process] | None = None
    ) -> None:
        self.folder = folder
        self.ports = ports
        self.processes = processes or {}

    @property
    def kind(self) -> str:
        """The kind of server; its folder may have another name."""
        return self.name

    @property
    def port(self) -> int:
        return self.ports["main"]

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def pid(self) -> int | None:
        main = self.processes.get("main")
        return main.pid if main else None

    @property
    def is_running(self) -> bool:
        main = self.processes.get("main")
        return main is not None and main.is_running

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def up(self) -> None:
        """Start the server on its existing data; return before it is ready."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def down(self, *, kill: bool = False) -> None:
        """Stop the server and keep its data: gracefully, or at once like a crash."""
        if main := self.processes.get("main"):
            main.end(self.kill_signal if kill else self.stop_signal, within=self.stop_within)

    def remove(self) -> None:
        """Kill the server and its helper processes; its data is removed next."""
        for process in self.processes.values():
            process.end(self.kill_signal, within=60.0)

    def control(self) -> dict[str, str]:
        """The environment that the server's own command line tools need."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Facts for the state file beyond those that rebuild the `Server`."""
        return {}

    def _start(self, role: str, command: list[str], *, env: dict[str, str], user: str | None = None) -> None:
        """Start a process of this server. A test that waits for readiness reads the log on failure."""
        self.processes[role] = launch(command, log=self.log, env=env, cwd=self.folder, user=user)


def clean_environment() -> dict[str, str]:
    """This process's environment, without variables that would point a server outside its folder."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
