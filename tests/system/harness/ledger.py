"""The ledger of submits: what was asked before it was sent, and what was answered after.

In memory, and as lines of JSON in a file, which outlives a load generator that dies.
"""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Submit:
    """One task that was handed in, under a name of ours, perhaps several times until an answer came.

    The name is the task's id, or its idempotency key; `task_id` is the id in the answer.
    `accepted_at` is the system clock's time of the 202. `refused` is set by an answer that says no for good.
    A submit with neither is unsure: the task may be there or not.
    """

    id: str
    tries: int = 0
    accepted_at: float | None = None
    refused: int | None = None
    task_id: str = ""


class SubmitLedger:
    """Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()
        self._submits: dict[str, Submit] = {}

    def before(self, task_id: str) -> None:
        """A request is about to be sent."""
        with self._lock:
            submit = self._submits.setdefault(task_id, Submit(task_id))
            submit.tries += 1
            self._write({"id": task_id, "try": submit.tries})

    def after(self, task_id: str, status: int | None, error: str = "", given: str = "") -> None:
        """It was answered with `status` and the task id `given`, or by nothing but an error."""
        with self._lock:
            submit = self._submits[task_id]
            if status == 202:
                submit.accepted_at = time.time()
                submit.task_id = given or task_id
            elif status is not None and status < 500:
                submit.refused = status
            self._write({"id": task_id, "status": status, "error": error, "given": given})

    def close(self) -> None:
        self._file.close()

    @property
    def submits(self) -> list[Submit]:
        with self._lock:
            return list(self._submits.values())

    @property
    def accepted(self) -> set[str]:
        return {submit.id for submit in self.submits if submit.accepted_at is not None}

    @property
    def unsure(self) -> set[str]:
        """Never answered, or only by errors that leave it open whether the task is there."""
        return {submit.id for submit in self.submits if submit.accepted_at is None and submit.refused is None}

    def _write(self, line: dict[str, object]) -> None:
        self._file.write(json.dumps({"at": time.time(), **line}) + "\n")
