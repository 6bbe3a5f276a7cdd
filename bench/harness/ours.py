"""Taskrunner as its users run it: `produce`, `consume` and `serve`, each in a process of its own."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.backends import Backends
from harness.child import Child, ChildFailed, run
from harness.contender import SLOTS, Contender
from harness.http import JsonClient, free_port

ROOT = Path(__file__).parents[2]
_READY_WITHIN = 30.0
_QUEUES = ("taskrunner.high", "taskrunner.medium", "taskrunner.low")


class Taskrunner(Contender):
    """One consumer with `SLOTS` worker threads from the start; all other settings have their defaults."""

    name = "taskrunner"

    def __init__(self, backends: Backends, folder: Path, target_port: int) -> None:
        self._backends = backends
        self._folder = folder
        self._log = folder / "taskrunner.log"
        self._config = folder / "config.yaml"
        self._ports = {"Server": free_port(), "Api": free_port()}
        self._config.write_text(json.dumps(self._settings(target_port), indent=2))  # JSON is YAML

    def prepare(self) -> None:
        run(self._command("config", "check"), log=self._log, cwd=ROOT)

    def preload(self, pattern: str, tasks: int) -> None:
        self.produce(pattern, tasks)
        # A task may be accepted and not yet published; a drain starts when all are in the broker.
        deadline = time.monotonic() + _READY_WITHIN
        while (depth := self.depth()) != tasks:
            if time.monotonic() > deadline:
                raise ChildFailed(f"taskrunner queued {depth} of {tasks} tasks")
            time.sleep(0.1)

    def produce(self, pattern: str, tasks: int) -> float:
        """Hand in tasks by one `produce --file -`; the seconds that the command took from start to end.

        Raises `ChildFailed` unless it prints a different id for every line.
        """
        lines, ids = self._folder / "urls.txt", self._folder / "ids.txt"
        with lines.open("w") as text:
            text.writelines(f"{url}\n" for url in _urls(pattern, tasks))
        began = time.monotonic()
        with lines.open("rb") as source, ids.open("wb") as answers:
            command = [*self._command("produce"), "--file", "-"]
            run(command, log=self._log, cwd=ROOT, stdin=source, stdout=answers)
        seconds = time.monotonic() - began
        with ids.open() as printed:
            different = len({line.strip() for line in printed})
        if different != tasks:
            raise ChildFailed(f"produce printed {different} different ids for {tasks} lines")
        return seconds

    def consume(self) -> Child:
        return Child(self._command("consume"), log=self._log, cwd=ROOT)

    def serve(self, settings: Mapping[str, str] | None = None) -> Child:
        """The API, ready to take tasks at `api_port`; `settings` are environment variables."""
        child = self._start_server(settings)
        try:
            JsonClient(self.api_port).wait_until_ok("/readyz", _READY_WITHIN)
        except BaseException:
            child.stop()
            raise
        return child

    def _start_server(self, settings: Mapping[str, str] | None = None) -> Child:
        return Child(self._command("serve"), log=self._log, cwd=ROOT, env=settings)

    def make_key(self, *limits: str) -> str:
        """A key that sees only its own tasks, with these options of `keys create`."""
        printed = self._folder / "key.txt"
        command = [*self._command("keys", "create", "bench"), "--scope", "submit", *limits]
        with printed.open("wb") as answer:
            run(command, log=self._log, cwd=ROOT, stdout=answer)
        return printed.read_text().strip()

    @property
    def api_port(self) -> int:
        return self._ports["Api"]

    def stored(self) -> int:
        # From the store's own index: `/stats` may be a refresh behind, and to ask it costs the consumer.
        return int(self._backends.redis.zcard("{taskrunner}:in:succeeded"))

    def accepted(self) -> int:
        """Tasks of any status."""
        redis = self._backends.redis
        return sum(int(redis.zcard(index)) for index in redis.keys("{taskrunner}:in:*"))

    def depth(self) -> int:
        """Ready messages in all queues."""
        return sum(self._backends.depth(queue) for queue in _QUEUES)

    def _settings(self, target_port: int) -> dict[str, Any]:
        redis = urlsplit(self._backends.redis_url)
        return {
            "Server": {"addr": "127.0.0.1", "port": self._ports["Server"]},
            "Api": {"addr": "127.0.0.1", "port": self._ports["Api"]},
            "Rabbit": {"addr": self._backends.rabbitmq_url},
            "Redis": {"addr": f"{redis.hostname}:{redis.port}", "db": int(redis.path.strip("/") or 0)},
            "Workers": {"min_workers": SLOTS, "max_workers": SLOTS},
            "Logger": {"level": "warning"},
            "Fetch": {"allow_private": ["127.0.0.1"], "ports": [target_port]},
        }

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "taskrunner", *words, "--config", str(self._config)]


def _urls(pattern: str, tasks: int) -> Iterator[str]:
    return (pattern.replace("{n}", str(number)) for number in range(tasks))
