"""The load generator: threads that hand in tasks by the API, each with one kept-alive connection."""

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.system.harness.http import Client
from tests.system.harness.ledger import SubmitLedger
from tests.tools.waiting import PATIENCE

_RETRY_PAUSE = 0.1


class Load:
    """Runs while it is a context, unless `limit` tasks were handed in before.

    Every task has an id of ours, so that a submit whose answer was lost can be sent again: a second one
    under the same id is no second task. `rate` is tasks a second over all connections. A failed submit goes
    to the next of `ports`.
    """

    def __init__(
        self,
        ports: Sequence[int],
        ledger: SubmitLedger,
        *,
        url: Callable[[int], str],
        connections: int = 8,
        limit: int | None = None,
        rate: float | None = None,
        fields: dict[str, object] | None = None,
        prefix: str = "load",
        host: str = "127.0.0.1",
        timeout: float = PATIENCE,
    ) -> None:
        self.ports = ports
        self._host = host
        self._timeout = timeout
        self._ledger = ledger
        self._url = url
        self._limit = limit
        self._pause = connections / rate if rate else 0.0
        self._fields = fields or {}
        self._prefix = prefix
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"load-{index}")
            for index in range(connections)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._limit is None or kind is not None:
            self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, index: int) -> None:
        port = itertools.cycle([*self.ports, *self.ports][index % len(self.ports) :])
        client = self._client(next(port))
        while not self._stopping.is_set():
            number = next(self._numbers)
            if self._limit is not None and number >= self._limit:
                break
            give_up = time.monotonic() + PATIENCE
            while not self._submit(client, number) and time.monotonic() < give_up:
                self._stopping.wait(_RETRY_PAUSE)
                client.close()
                client = self._client(next(port))
            if self._pause:
                self._stopping.wait(self._pause)
        client.close()

    def _client(self, port: int) -> Client:
        return Client(port, host=self._host, timeout=self._timeout)

    def _submit(self, client: Client, number: int) -> bool:
        """Whether there was a final answer."""
        task_id = f"{self._prefix}-{number:06d}"
        self._ledger.before(task_id)
        try:
            answer = client.post("/tasks", {"id": task_id, "url": self._url(number), **self._fields})
        except (OSError, http.client.HTTPException) as exc:
            self._ledger.after(task_id, None, type(exc).__name__)
            return False
        self._ledger.after(task_id, answer.status)
        return answer.status < 500
