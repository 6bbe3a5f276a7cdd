"""Closed and broken streams, interruptions and repetitions, as a shell makes them; the line of `dev`."""

import os
import pty
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.harness.process import TaskrunnerProcess, command, environment, run
from tests.tools.stores import empty_sqlite, sqlite_url
from tests.tools.waiting import PATIENCE, wait_for

COMMAND = shlex.join(command())
CLOSED = [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "x.db"
    path.write_bytes(empty_sqlite())
    return {"STORE__URL": sqlite_url(path), "RABBIT__ADDR": "memory://"}


def shell(folder: Path, settings: dict[str, object], line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(settings),
        cwd=folder,
    )


def tasks(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "x.db", timeout=PATIENCE)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM taskrunner_tasks")]


# A command that prints a line, with each closing; the others, which print otherwise, with what hits most.
CLOSED_BY_COMMAND = [
    *(("produce --url http://a.test/", closed) for closed in CLOSED),
    *(
        (words, closed)
        for words in ("tasks list", "doctor", "config show", "--version", "pause", "schedule list")
        for closed in (">&-", "<&- >&- 2>&-")
    ),
]


@pytest.mark.parametrize(("words", "closed"), CLOSED_BY_COMMAND)
def test_closed_streams_are_no_crash(
    tmp_path: Path, settings: dict[str, object], words: str, closed: str
) -> None:
    """Nothing is printed there, and the command does what it does otherwise."""
    done = shell(tmp_path, settings, f"{COMMAND} {words} {closed}")
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    if words.startswith("produce"):
        assert len(tasks(tmp_path)) == 1


@pytest.mark.parametrize("closed", CLOSED)
def test_wrong_usage_has_its_code_with_closed_streams(
    tmp_path: Path, settings: dict[str, object], closed: str
) -> None:
    assert shell(tmp_path, settings, f"{COMMAND} task show none {closed}").returncode == 4
    assert shell(tmp_path, settings, f"{COMMAND} task {closed}").returncode == 2


def test_a_reader_that_goes_away_ends_a_list(tmp_path: Path, settings: dict[str, object]) -> None:
    """One line on stderr says how far it got; the code is that of SIGPIPE."""
    (tmp_path / "urls").write_text("http://a.test/\n" * 3000)
    assert run(tmp_path, settings, "produce", "--file", "urls").returncode == 0
    for words in ("tasks list --limit 3000", "tasks list --limit 3000 --json"):
        done = shell(tmp_path, settings, f"{COMMAND} {words} | head -1")
        assert (done.returncode, len(done.stdout.splitlines())) == (141, 1)
        assert re.fullmatch(
            r"taskrunner: the output was closed by its reader; \d+ lines were printed to it\n", done.stderr
        )


def test_a_reader_that_goes_away_ends_a_submit_that_can_be_repeated(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    """It says what was taken; the same command then submits the rest."""
    (tmp_path / "urls").write_text("".join(f"http://a.test/{n}\n" for n in range(5000)))
    done = shell(tmp_path, settings, f"{COMMAND} produce --file urls | head -1")
    told, closed = done.stderr.splitlines()
    assert (done.returncode, closed) == (141, "taskrunner: the output was closed by its reader")
    assert re.search(r"stopped: \d+ tasks accepted, the lines up to \d+ are done; repeat the command", told)
    again = run(tmp_path, settings, "produce", "--file", "urls")
    assert again.returncode == 0
    assert "had been submitted before" in again.stderr
    assert len(tasks(tmp_path)) == 5000


def test_a_full_device_is_told(tmp_path: Path, settings: dict[str, object]) -> None:
    done = shell(tmp_path, settings, f"{COMMAND} config show > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "taskrunner: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_submit_can_be_repeated(
    tmp_path: Path, settings: dict[str, object], ended_by: signal.Signals
) -> None:
    """After a signal in the middle, the same command makes each line one task."""
    (tmp_path / "urls").write_text("".join(f"http://a.test/{n}\n" for n in range(20_000)))
    process = subprocess.Popen(
        command("produce", "--file", "urls"),
        env=environment(settings),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(ended_by)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + ended_by, told
    assert re.search(r"stopped: \d+ tasks accepted, the lines up to \d+ are done; repeat the command", told)
    assert run(tmp_path, settings, "produce", "--file", "urls").returncode == 0
    assert len(tasks(tmp_path)) == 20_000


def test_an_interrupted_pipe_says_after_which_line(tmp_path: Path, settings: dict[str, object]) -> None:
    """A pipe has no name, so its ids are new: the line number is what there is."""
    process = subprocess.Popen(
        command("produce", "--file", "-"),
        env={**environment(settings), "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("http://a.test/\n" * 3)
    process.stdin.flush()
    # A task is in the store before the command has heard of it.
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "stopped: 3 tasks accepted, the lines up to 3 are done; continue after line 3." in told


def test_what_makes_a_line_another_task(tmp_path: Path, settings: dict[str, object]) -> None:
    """The same line of the same file with the same options is one task; equal lines are two."""
    file = tmp_path / "urls"
    file.write_text("http://a.test/\nhttp://a.test/\n")
    for _ in range(2):
        run(tmp_path, settings, "produce", "--file", "urls")
        shell(tmp_path, settings, f"{COMMAND} produce --file - < urls")
        run(tmp_path, settings, "produce", "--file", str(file))
    assert len(tasks(tmp_path)) == 2
    run(tmp_path, settings, "produce", "--file", "urls", "--priority", "low")
    assert len(tasks(tmp_path)) == 4
    (tmp_path / "other").write_text(file.read_text())
    run(tmp_path, settings, "produce", "--file", "other")
    assert len(tasks(tmp_path)) == 6
    file.write_text("http://a.test/\nhttp://b.test/\n")
    run(tmp_path, settings, "produce", "--file", "urls")
    assert len(tasks(tmp_path)) == 7


def test_progress_on_a_terminal_is_sparse_and_apart_from_errors(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    """20,000 lines are a few hundred bytes of progress; each error is a line of its own."""
    lines = [f"http://a.test/{n}" if n % 2000 else "nope" for n in range(20_000)]
    (tmp_path / "urls").write_text("\n".join(lines))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("produce", "--file", "urls"),
        env=environment(settings),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:
            break  # EIO: the other side is closed
        shown += part
    assert process.wait(PATIENCE) == 2
    text = shown.decode()
    assert len(text) < 20_000
    assert re.search(r"submitting: \d+ %, [\d,]+ lines, [\d,]+ a second", text)
    errors = [line.rpartition("\x1b[K")[2].rstrip("\r") for line in text.split("\n") if "urls:" in line]
    assert len(errors) == 10
    assert all(line.startswith("urls:") for line in errors)


def test_the_line_that_dev_prints_is_enough(tmp_path: Path) -> None:
    """In a new shell, in a folder with a config.yaml of servers that are away, every command works."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text(
        "Redis: {addr: '127.0.0.1:1'}\nRabbit: {addr: 'amqp://127.0.0.1:1/'}\n"
    )
    port_file = tmp_path / "dev.log"
    dev = TaskrunnerProcess(
        "dev", port=0, log=port_file, settings={}, words=("--data", str(tmp_path), "--port", "0")
    )
    try:
        wait_for(lambda: "export" in dev.logged(), "the welcome")
        export = re.search(r"export .*", dev.logged())
        assert export is not None
        api = re.search(r"TASKRUNNER_API_URL=(\S+)", export[0])
        assert api is not None
        for words in (
            f"produce --url {api[1]}/livez --wait",
            "doctor",
            f"schedule create s --cron @daily --url {api[1]}/livez",
            "schedule run s",
            "tasks list",
            "dead-letters list",
            "hosts list",
            "pause --queue low",
            "resume --queue low",
            "config check",
            "db upgrade",
        ):
            done = shell(other, {}, f"{export[0]}; {COMMAND} {words}")
            assert done.returncode == 0, (words, done)
        named = shell(other, {}, f"{export[0]}; taskrunner --version")
        assert named.returncode == 0 or not Path(sys.executable).with_name("taskrunner").exists()
    finally:
        dev.stop()


def test_waiting_prints_the_id_at_once(tmp_path: Path, settings: dict[str, object]) -> None:
    """Before the result, which nobody produces here; at Ctrl-C the id is known."""
    process = subprocess.Popen(
        command("produce", "--url", "http://a.test/", "--wait"),
        env=environment(settings),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() in tasks(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
