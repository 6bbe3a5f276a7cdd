"""The embedded mode as processes: nothing to set up, and clear refusals. `test_kills` kills it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.ports import free_ports

from taskrunner.domain.keys.api_key import new_secret
from tests.system.harness.command_line import run
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.waiting import wait_for

Start = Callable[[], TaskrunnerProcess]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    """The settings of `dev`, for commands on the same file."""
    return {
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db",
        "FETCH__ALLOW_LOOPBACK": True,
        "RETRY__BASE": 0.2,
    }


@pytest.fixture
def start(tmp_path: Path, settings: dict[str, object]) -> Iterator[Start]:
    """Starts `dev` in the test's folder, always on the same port."""
    (port,) = free_ports(1)
    log = tmp_path / "dev.log"
    started: list[TaskrunnerProcess] = []

    def start() -> TaskrunnerProcess:
        own = {name: value for name, value in settings.items() if not name.startswith("FETCH")}
        words = ("--data", str(tmp_path), "--port", str(port))
        started.append(TaskrunnerProcess("dev", port=port, log=log, settings=own, words=words))
        return started[-1].wait_ready()

    yield start
    for running in started:
        if running.is_running:
            running.stop()


def test_dev_runs_a_task_and_shows_a_page(start: Start, tmp_path: Path, target: Target) -> None:
    """It tells where it is, with a curl line; a browser gets the page, others the JSON; it ends with 0."""
    dev = start()
    wait_for(lambda: "curl" in dev.logged(), "the welcome")
    assert f"http://127.0.0.1:{dev.port}/" in dev.logged()
    assert f"TASKRUNNER_STORE__URL=sqlite:///{tmp_path}/taskrunner.db" in dev.logged()
    assert f"TASKRUNNER_API_URL=http://127.0.0.1:{dev.port}" in dev.logged()
    assert "tasks may fetch from this machine's loopback, on any port" in dev.logged()
    with Client(dev.port) as client:
        answer = client.post("/tasks", {"url": target.url("/dev-1")})
        assert answer.status == 202
        assert client.get("/").json["name"] == "taskrunner"
        page = client.request("GET", "/", None, {"Accept": "text/html"})
        assert b"<!doctype html>" in page.body
    wait_for(lambda: dev.stats()["counts"]["succeeded"] == 1, "the task succeeds")
    assert dev.stats()["workers"]["total"] >= 1
    assert dev.stop() == 0


def test_dev_has_a_key_that_stays(start: Start, tmp_path: Path) -> None:
    """The CLI line has it, at the next start as well; it may be left out, but a wrong one is refused."""
    first = start()
    key = (tmp_path / "taskrunner.key").read_text().strip()
    wait_for(lambda: f"TASKRUNNER_API_KEY={key}" in first.logged(), "the welcome")
    assert first.stop() == 0
    second = start()
    with Client(second.port) as client:
        for given, status in ((f"Bearer {key}", 200), (f"Bearer {key}x", 401), (None, 200)):
            headers = {} if given is None else {"Authorization": given}
            assert client.request("GET", "/keys", None, headers).status == status
    wait_for(lambda: second.logged().count(f"TASKRUNNER_API_KEY={key}") == 2, "the welcome")


def test_a_configured_key_is_the_only_one(start: Start, tmp_path: Path, settings: dict[str, object]) -> None:
    """`dev` makes none beside it, and prints none."""
    key = new_secret()
    settings["API__KEYS"] = f"mine={key}"
    dev = start()
    wait_for(lambda: "Ctrl-C" in dev.logged(), "the welcome")
    assert "TASKRUNNER_API_KEY" not in dev.logged()
    assert key not in dev.logged()
    assert not (tmp_path / "taskrunner.key").exists()


def test_what_is_written_down_counts(start: Start, settings: dict[str, object]) -> None:
    """`dev` is open to this machine, unless the configuration says otherwise."""
    settings["API__AUTH"] = "keys"
    dev = start()
    wait_for(lambda: "every request needs it" in dev.logged(), "the welcome")
    with Client(dev.port) as client:
        assert client.request("GET", "/tasks").status == 401


def test_a_second_process_on_the_file_is_refused(
    start: Start, tmp_path: Path, settings: dict[str, object]
) -> None:
    """Exit 3, and one line that names the file and the first process."""
    dev = start()
    for words in (("dev", "--data", str(tmp_path), "--port", "0"), ("all",)):
        done = run(tmp_path, {**settings, "API__PORT": 0, "SERVER__PORT": 0}, *words)
        assert done.returncode == 3
        (line,) = done.stderr.splitlines()
        assert f"taskrunner.db is in use by another taskrunner (process {dev.process.pid})" in line


def test_produce_hands_over_to_the_running_process(
    start: Start, tmp_path: Path, settings: dict[str, object], target: Target
) -> None:
    """A memory broker in the command's process would lose the task."""
    start()
    done = run(tmp_path, settings, "produce", "--url", target.url("/handed-over"), "--wait")
    assert (done.returncode, done.stderr) == (0, "")
    assert " succeeded 200 " in done.stdout


def test_queues_shows_those_of_the_running_process(
    start: Start, tmp_path: Path, settings: dict[str, object]
) -> None:
    """They are in its memory; it reports them every two seconds."""
    dev = start()
    with Client(dev.port) as client:
        assert client.post("/pause?queue=low", {}).status == 200
        wait_for(lambda: "pauses_changed" in dev.logged(), "the pause")
        for _ in range(3):
            assert client.post("/tasks", {"url": "http://127.0.0.1:9/", "priority": "low"}).status == 202

    def told() -> dict[str, tuple[int | None, int | None]]:
        rows = map(json.loads, run(tmp_path, settings, "queues", "--json").stdout.splitlines())
        return {row["name"]: (row["ready"], row["consumers"]) for row in rows}

    wait_for(lambda: told() == {"high": (0, 1), "medium": (0, 1), "low": (3, 0)}, "the counts")


def test_a_missing_schema_names_the_command(tmp_path: Path) -> None:
    """`all` and `produce` make no tables."""
    settings: dict[str, object] = {
        "STORE__URL": "sqlite:///new.db",
        "RABBIT__ADDR": "memory://",
        "API__PORT": 0,
    }
    done = run(tmp_path, {**settings, "SERVER__PORT": 0}, "all")
    assert done.returncode == 3
    assert "run `taskrunner db upgrade`" in done.stderr
    assert not (tmp_path / "new.db").exists()


def test_the_demo_shows_all_ends(tmp_path: Path) -> None:
    """Success, retries, failure; exit 0; nothing is left in the folder."""
    done = run(tmp_path, {}, "demo")
    assert done.returncode == 0, done.stderr
    assert "503 → 503 → 200" in done.stdout
    assert done.stdout.count("failed") == 3
    assert list(tmp_path.iterdir()) == []
