"""Schedules by command and by a real process: each slot missed during downtime runs once."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from servers.ports import free_ports

from tests.system.harness.command_line import run
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.waiting import PATIENCE, wait_for


@pytest.fixture
def settings(tmp_path: Path, target: Target) -> dict[str, object]:
    """The settings of `dev`, for commands on the same file."""
    return {
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db",
        "FETCH__ALLOW_PRIVATE": "127.0.0.0/8",
        "FETCH__PORTS": f"80,{target.port}",
    }


class Schedules:
    """`taskrunner schedule` in a folder."""

    def __init__(self, folder: Path, settings: dict[str, object]) -> None:
        self._folder = folder
        self._settings = settings

    def run(self, *words: str, code: int = 0) -> str:
        done = run(self._folder, self._settings, *words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout or done.stderr

    def __call__(self, *words: str, code: int = 0) -> str:
        return self.run("schedule", *words, code=code)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def schedule(tmp_path: Path, settings: dict[str, object]) -> Schedules:
    schedules = Schedules(tmp_path, settings)
    schedules.run("db", "upgrade")
    return schedules


def test_a_schedules_life_by_command(schedule: Schedules) -> None:
    """Made, listed, shown, changed, paused, resumed, run, deleted; what is wrong ends with 2."""
    url = "http://127.0.0.1/report"
    task = ("--url", url, "--header", "Authorization: s3cret", "--data", "x", "--max-attempts", "2")
    made = schedule("create", "report", "--cron", "30 6 * * MON-FRI", "--time-zone", "Europe/Berlin", *task)
    assert made.startswith("report  30 6 * * MON-FRI  Europe/Berlin  next 2")
    schedule("create", "other", "--cron", "@daily", "--url", url)
    assert [line.split()[0] for line in schedule("list").splitlines()] == ["other", "report"]
    shown = schedule("show", "report")
    assert "Europe/Berlin" in shown
    assert "s3cret" not in shown
    changed = schedule.json("update", "report", "--missed", "all", "--timeout", "7")
    assert (changed["missed"], changed["cron"]) == ("all", "30 6 * * MON-FRI")
    assert (changed["task"]["timeout"], changed["task"]["max_attempts"]) == (7.0, 2)
    assert "paused" in schedule("pause", "report")
    assert schedule.json("resume", "report")["paused"] is False
    assert len(schedule("run", "report").strip()) == 36
    schedule("delete", "report")
    assert "no schedule has the name" in schedule("show", "report", code=4)
    assert "cron" in schedule("create", "x", "--cron", "61 * * * *", "--url", url, code=2)
    assert "already" in schedule("create", "other", "--cron", "@daily", "--url", url, code=5)


def test_slots_that_were_missed_run_once_each(
    schedule: Schedules, tmp_path: Path, settings: dict[str, object], target: Target
) -> None:
    """Down for three hours, then killed right after its start and started once more."""
    words = ("--cron", "@hourly", "--missed", "all", "--url", target.url("/slot"))
    known = schedule.json("create", "report", *words)
    next_at = datetime.fromisoformat(known["next_at"])
    first = next_at - timedelta(hours=3)
    with closing(sqlite3.connect(tmp_path / "taskrunner.db", timeout=PATIENCE)) as connection, connection:
        connection.execute(
            "UPDATE taskrunner_schedules SET next_at_ms = ?, encoded = replace(encoded, ?, ?)",
            (int(first.timestamp() * 1000), f"{next_at:%Y-%m-%dT%H}", f"{first:%Y-%m-%dT%H}"),
        )
    (port,) = free_ports(1)
    log = tmp_path / "dev.log"
    folder = ("--data", str(tmp_path), "--port", str(port))
    dev = TaskrunnerProcess("dev", port=port, log=log, settings=settings, words=folder).wait_ready()
    wait_for(lambda: dev.stats()["counts"]["succeeded"] >= 1, "a first run")
    dev.kill()
    dev = TaskrunnerProcess("dev", port=port, log=log, settings=settings, words=folder).wait_ready()
    wait_for(lambda: dev.stats()["counts"]["succeeded"] >= 3, "all three runs")
    tasks = dev.get("/tasks").json["tasks"]
    hours = (datetime.now(UTC) - first) // timedelta(hours=1) + 1
    slots = [first + timedelta(hours=hour) for hour in range(hours)]
    assert sorted(task["id"] for task in tasks) == [f"report-{slot:%Y%m%dT%H%M%SZ}" for slot in slots]
    assert dev.get("/schedules/report").json["last_task_id"] == f"report-{slots[-1]:%Y%m%dT%H%M%SZ}"
    assert dev.stop() == 0
