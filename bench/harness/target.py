"""The target: the HTTP server whose URLs all tasks fetch, and its count of what it has served."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.child import Child
from harness.http import JsonClient

_PROGRAM = Path(__file__).parents[1] / "target.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What was served since the last reset; `first` and `last` are of the system's monotonic clock."""

    requests: int
    tasks: int
    first: float
    last: float


class Target(Child):
    """`bench/target.py` in one process, since each process counts for itself."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(_PROGRAM), "--port", "0"]
        super().__init__(command, log=folder / "target.log", stdout=subprocess.PIPE)
        self.port = int(self.read_line())
        self._client = JsonClient(self.port)

    def pattern(self, delay: float) -> str:
        """The URL of a task, with "{n}" for its number; it answers after `delay` seconds."""
        query = f"?delay={delay:g}" if delay else ""
        return f"http://127.0.0.1:{self.port}/t/{{n}}{query}"

    def count(self) -> Count:
        return Count(**self._client.get("/_count"))

    def reset(self) -> None:
        self._client.get("/_reset")
