"""A deployment: taskrunner processes on one broker and one store, with unique names there."""

import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers.ports import free_ports

from tests.system.harness import process
from tests.system.harness.command_line import run
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.waiting import PATIENCE, wait_for

_PAGE = 200
_LIVE = ("scheduled", "queued", "running", "retrying")


class Deployment:
    """Processes are started by `serve`, `consume` and `everything`; `settings` are those of all of them."""

    def __init__(
        self,
        *,
        rabbitmq_url: str,
        redis_url: str,
        target: Target,
        folder: Path,
        settings: Mapping[str, object] | None = None,
        launcher: Sequence[str] = ("taskrunner",),
    ) -> None:
        self.target = target
        self.launcher = launcher
        self.folder = folder
        self.rabbitmq_url = rabbitmq_url
        self.redis_url = redis_url
        self.name = f"t{secrets.token_hex(4)}"
        self.settings: dict[str, object] = {
            "RABBIT__ADDR": rabbitmq_url,
            "RABBIT__EXCHANGE": self.name,
            "REDIS__ADDR": urlsplit(redis_url).netloc,
            "REDIS__PREFIX": f"{{{self.name}}}",
            "SERVER__ADDR": "127.0.0.1",
            "API__ADDR": "127.0.0.1",
            "FETCH__ALLOW_PRIVATE": "127.0.0.0/8",
            "FETCH__PORTS": f"80,{target.port}",
            **(settings or {}),
        }
        self.processes: list[TaskrunnerProcess] = []
        self._made: dict[str, tuple[str, Mapping[str, object]]] = {}
        self._api: TaskrunnerProcess | None = None

    @property
    def api(self) -> TaskrunnerProcess:
        """The first `serve`."""
        assert self._api is not None, "no `serve` was started"
        return self._api

    def serve(
        self, *, ready: bool = True, launcher: Sequence[str] | None = None, **settings: object
    ) -> TaskrunnerProcess:
        running = self._start("serve", "API__PORT", settings, launcher)
        self._api = self._api or running
        return running.wait_ready() if ready else running

    def consume(
        self, *, ready: bool = True, launcher: Sequence[str] | None = None, **settings: object
    ) -> TaskrunnerProcess:
        running = self._start("consume", "SERVER__PORT", settings, launcher)
        return running.wait_ready() if ready else running

    def everything(self) -> TaskrunnerProcess:
        """`taskrunner all`, which is API and consumer."""
        running = self._start("all", "API__PORT", {"SERVER__PORT": 0}, None)
        self._api = self._api or running
        return running.wait_ready()

    def again(self, running: TaskrunnerProcess, launcher: Sequence[str] | None = None) -> TaskrunnerProcess:
        """Start a process like the one that ended (words, settings, port), without waiting for it."""
        verb, settings = self._made[running.name]
        fresh = TaskrunnerProcess(
            verb, port=running.port, log=running.log, settings=settings, launcher=launcher or self.launcher
        )
        self.processes.append(fresh)
        if running is self._api:
            self._api = fresh
        return fresh

    def run(self, *words: str, given: bytes = b"", **settings: object) -> "subprocess.CompletedProcess[str]":
        """A command from start to end, with `given` on its standard input."""
        return run(self.folder, {**self.settings, **settings}, *words, given=given)

    def submit(self, url: str, **fields: object) -> str:
        """Hand in one task by the API; returns its id."""
        with Client(self.api.port) as client:
            answer = client.post("/tasks", {"url": url, **fields})
        assert answer.status == 202, answer
        return str(answer.json["id"])

    def submit_many(self, urls: list[str], **options: str) -> list[str]:
        """Hand in tasks by `produce --file -`, in a process beside this one; returns their ids."""
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        done = process.run(
            self.folder, self.settings, "produce", "--file", "-", *words, given="\n".join(urls)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def record(self, task_id: str) -> Any:
        """The task as `GET /tasks/{id}` shows it."""
        answer = self.api.get(f"/tasks/{task_id}")
        assert answer.status == 200, answer
        return answer.json

    def records(self, status: str | None = None) -> list[Any]:
        """Every task that `GET /tasks` lists, page by page."""
        return list(self._pages(status))

    def counts(self) -> dict[str, int]:
        """Tasks per status, as `/stats` of the API shows them."""
        counts: dict[str, int] | None = self.api.stats()["counts"]
        return counts or {}

    def wait_finished(self, task_id: str, *, within: float = PATIENCE) -> Any:
        """The record of a task once it is terminal."""

        def look() -> Any:
            record = self.record(task_id)
            return record if record["status"] not in _LIVE else None

        return wait_for(look, f"{task_id} ends; it is {self.record(task_id)['status']}", within=within)

    def wait_drained(self, finished: int) -> None:
        """Wait until that many tasks are terminal and none is live; fails once nothing moves any more."""
        counts: dict[str, int] = {}

        def moves() -> bool:
            before = dict(counts)
            counts.update(self.counts())
            return counts != before

        while not counts or sum(counts.values()) < finished or any(counts.get(each) for each in _LIVE):
            wait_for(moves, f"{finished} tasks are terminal; stuck at {counts}", interval=0.2)

    def close(self) -> None:
        """Stop every process; fails when one does not end by SIGTERM."""
        failures = []
        for running in self.processes:
            if running.is_running:
                try:
                    running.stop()
                except AssertionError as exc:
                    failures.append(str(exc))
        assert not failures, failures

    def logs(self, lines: int = 60) -> Iterator[tuple[str, str]]:
        """The end of every log, by name."""
        for log in sorted(self.folder.glob("*.log")):
            tail = log.read_text(errors="replace").splitlines()[-lines:]
            yield log.name, "\n".join(tail)

    def _start(
        self, verb: str, port_dial: str, settings: Mapping[str, object], launcher: Sequence[str] | None
    ) -> TaskrunnerProcess:
        (port,) = free_ports(1)
        given = {**self.settings, port_dial: port, **settings}
        log = self.folder / f"{verb}-{len(self.processes) + 1}.log"
        running = TaskrunnerProcess(
            verb, port=int(str(given[port_dial])), log=log, settings=given, launcher=launcher or self.launcher
        )
        self.processes.append(running)
        self._made[running.name] = (verb, given)
        return running

    def _pages(self, status: str | None) -> Iterator[Any]:
        cursor = ""
        with Client(self.api.port) as client:
            while True:
                query = f"limit={_PAGE}" + (f"&status={status}" if status else "")
                answer = client.get(f"/tasks?{query}" + (f"&cursor={cursor}" if cursor else ""))
                assert answer.status == 200, answer
                yield from answer.json["tasks"]
                if not (cursor := answer.json["next_cursor"] or ""):
                    return
