"""A real Prometheus on a private port, which scrapes our processes each second."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import yaml
from servers.ports import free_ports
from servers.process import end_with_parent
from servers.programs import install, program

from tests.system.harness.http import Client
from tests.tools.queries import RULES
from tests.tools.waiting import PATIENCE, wait_for


class Prometheus:
    """It runs inside `with`. The alerts are those of deploy/, but fire and clear without a delay."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        install(["prometheus"])
        self._folder = folder
        (self._port,) = free_ports(1)
        rules = yaml.safe_load(RULES.read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)
        targets = [f"127.0.0.1:{port}" for port in ports]
        self._write("alerts.yml", rules)
        self._write(
            "prometheus.yml",
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["alerts.yml"],
                "scrape_configs": [{"job_name": "taskrunner", "static_configs": [{"targets": targets}]}],
            },
        )

    def __enter__(self) -> Self:
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus", "prometheus"),
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                preexec_fn=end_with_parent,
            )
        try:
            wait_for(self._is_ready, "Prometheus is ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def values(self, expression: str) -> list[float]:
        """What a query answers now; fails with the error of one that is wrong."""
        answer = self._ask(f"/api/v1/query?query={quote(expression)}")
        assert answer["status"] == "success", (expression, answer)
        return [float(each["value"][1]) for each in answer["data"]["result"]]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        alerts = self._ask("/api/v1/alerts")["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def _ask(self, path: str) -> Any:
        with Client(self._port) as client:
            return client.get(path).json

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(PATIENCE)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        try:
            with Client(self._port) as client:
                return client.get("/-/ready").status == 200
        except OSError:
            return False

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(yaml.safe_dump(content))
