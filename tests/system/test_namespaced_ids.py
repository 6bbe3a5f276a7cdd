"""The command line on ids that begin with the name of an API key: operators see and use them whole."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from taskrunner.domain.tasks.status import Status
from tests.contract.stores.harness import KEEP, NOW, bring, make_task, ref
from tests.system.harness.command_line import run
from tests.tools.stores import sql_store, sqlite_url

Done = CompletedProcess[str]


async def _bring_all(path: Path) -> None:
    """Of each of two keys and of none: a task in each of three statuses."""
    async with sql_store(sqlite_url(path)) as store:
        for name in ("mine", "theirs", None):
            begin = "" if name is None else f"{name}~"
            for task_id, status in (
                ("live", Status.QUEUED),
                ("done", Status.SUCCEEDED),
                ("bad", Status.QUEUED),
            ):
                task = make_task(id=f"{begin}{task_id}", created_by=name, created_at=NOW)
                await bring(store, status, task=task)
            await store.fail([ref(f"{begin}bad")], now=NOW, reason="dropped", error="x", retention=KEEP)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(_bring_all(tmp_path / "tasks.db"))
    return tmp_path


def taskrunner(folder: Path, *words: str) -> Done:
    return run(folder, {"RABBIT__ADDR": "memory://", "STORE__URL": "sqlite:///tasks.db"}, *words)


def ids(done: Done) -> list[str]:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return sorted(json.loads(line)["id"] for line in done.stdout.splitlines())


def test_one_task_by_its_whole_id(folder: Path) -> None:
    """Shown with its attempts, cancelled, requeued, deleted; without the key's name it is another task."""
    shown = taskrunner(folder, "task", "show", "mine~done")
    assert (shown.returncode, json.loads(shown.stdout)["id"]) == (0, "mine~done")
    for form in ("json", "har", "curl"):
        attempt = taskrunner(folder, "task", "show", "mine~done", "--attempt", "1", "--format", form)
        assert (attempt.returncode, "mine~done" in attempt.stdout) == (0, True), attempt.stderr
    assert taskrunner(folder, "task", "cancel", "mine~live").returncode == 0
    assert taskrunner(folder, "dead-letters", "requeue", "mine~bad").returncode == 0
    assert taskrunner(folder, "task", "delete", "mine~done").returncode == 0
    unknown = taskrunner(folder, "task", "show", "mine~done")
    assert (unknown.returncode, "'mine~done'" in unknown.stderr) == (4, True)
    statuses = [
        json.loads(taskrunner(folder, "task", "show", task_id).stdout)["status"]
        for task_id in ("mine~live", "live", "theirs~live", "theirs~bad", "done")
    ]
    assert statuses == ["cancelled", "queued", "queued", "failed", "succeeded"]


def test_tasks_and_dead_letters_of_a_key(folder: Path) -> None:
    """Listed with whole ids, and changed, by the key that made them."""
    by_me = ("--created-by", "mine")
    assert ids(taskrunner(folder, "tasks", "list", "--json", *by_me)) == [
        "mine~bad",
        "mine~done",
        "mine~live",
    ]
    assert ids(taskrunner(folder, "tasks", "list", "--json", *by_me, "--status", "failed")) == ["mine~bad"]
    assert ids(taskrunner(folder, "dead-letters", "list", "--json", *by_me)) == ["mine~bad"]
    assert ids(taskrunner(folder, "tasks", "list", "--json", "--created-by", "nobody")) == []
    assert taskrunner(folder, "tasks", "delete", *by_me).returncode == 0
    assert ids(taskrunner(folder, "tasks", "list", "--json")) == sorted(
        f"{begin}{task_id}" for begin in ("theirs~", "") for task_id in ("live", "done", "bad")
    )


def test_a_name_that_no_key_can_have_is_refused(folder: Path) -> None:
    """Before anything is searched for it."""
    for name in ("Mine", "mine~", "", "a" * 64):
        done = taskrunner(folder, "tasks", "list", "--created-by", name)
        assert done.returncode == 2
        assert "must be 1 to 63 lower-case letters" in done.stderr


def test_the_doctor_finds_a_task_that_its_key_does_not(folder: Path) -> None:
    """It names the whole id, and puts the task back."""
    with closing(sqlite3.connect(folder / "tasks.db")) as connection, connection:
        connection.execute("UPDATE taskrunner_tasks SET namespace = NULL WHERE id = 'mine~live'")
        connection.execute("DELETE FROM taskrunner_encoded_tasks WHERE id = 'theirs~done'")
    found = taskrunner(folder, "doctor")
    assert found.returncode == 1
    assert "mine~live" in found.stdout
    assert "theirs~done" in found.stdout
    taskrunner(folder, "doctor", "--fix")
    again = taskrunner(folder, "doctor", "--json")
    kinds = {json.loads(line)["finding"] for line in again.stdout.splitlines()}
    assert not kinds & {"misfiled", "no_record"}
