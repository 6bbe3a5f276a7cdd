"""What every private server has in common, whatever runs it."""

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from servers.process import Process, launch

_FOREIGN_SETTINGS = ("RABBITMQ_", "ERL_", "PG", "NOTIFY_SOCKET", "RUNNING_UNDER_SYSTEMD")


class Server(ABC):
    """One server with its folder and its ports; it can go down and come up again with the same data.

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
        """What it is called where kinds are told apart; its folder may have another name."""
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
        """Start the server on the data that is there; return before it is ready."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    def down(self, *, kill: bool = False) -> None:
        """End the server and keep its data: gracefully, or at once as a crash would."""
        if main := self.processes.get("main"):
            main.end(self.kill_signal if kill else self.stop_signal, within=self.stop_within)

    def remove(self) -> None:
        """End the server and every helper of it, as fast as may be: its data goes next."""
        for process in self.processes.values():
            process.end(self.kill_signal, within=60.0)

    def control(self) -> dict[str, str]:
        """The environment that the server's own command line tools need; empty if they need none."""
        return {}

    def describe(self) -> dict[str, Any]:
        """Facts for the state file beyond what `Server` needs to be built again."""
        return {}

    def _start(self, role: str, command: list[str], *, env: dict[str, str], user: str | None = None) -> None:
        """Start a process of this server. A test that waits for readiness reads the log on failure."""
        self.processes[role] = launch(command, log=self.log, env=env, cwd=self.folder, user=user)


def clean_environment() -> dict[str, str]:
    """This process's environment without what would lead a server away from its private folder."""
    return {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
