"""Python handlers in a real worker process: whatever one does, each attempt has a clear end."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.domain.events import Event, Events
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.handlers.executor_handlers import ExecutorHandlerFactory
from taskrunner.handlers.python.handler import UNREADABLE
from taskrunner.handlers.python.handler_factory import PythonHandlerFactory
from taskrunner.handlers.python.settings import PythonSettings
from tests.contract.workers.bench import DEADLINE
from tests.tools.attempts import make_claimed, make_python
from tests.tools.gate import GateHandlerFactory
from tests.tools.hostile_handlers import SECRET
from tests.tools.waiting import eventually

ROOT = Path(__file__).parents[3]
MODULE = "tests.tools.hostile_handlers"


class Workers:
    """Four workers in one process, and what they told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Event] = []
        events = Events()
        events.subscribe(self.told.append)
        settings = PythonSettings(modules=(MODULE,), folder=str(ROOT), max_result_bytes=1024 * 1024)
        self.gate = GateHandlerFactory(folder)
        self.pool = WorkerProcess(ExecutorHandlerFactory(self.gate, PythonHandlerFactory(settings)), events)
        self.finished: asyncio.Queue[ClaimedAttempt] = asyncio.Queue()

    async def start(self) -> None:
        await self.pool.start(self.finished.put_nowait)
        self.pool.resize(4)
        await self.ready()

    async def ready(self) -> None:
        await eventually(lambda: self.pool.room() > 0 and self.pool.trouble is None)

    async def run(self, executor: str, data: object = None, *, timeout: float = 30.0) -> Outcome:
        """The outcome of one attempt; the autoscaler checks the workers meanwhile."""
        attempt = make_python(executor, data, timeout=timeout)
        self.pool.submit(attempt)
        async with asyncio.timeout(DEADLINE):
            while self.finished.empty():
                self.pool.check()
                await asyncio.sleep(0.02)
        ended = self.finished.get_nowait()
        assert ended is attempt
        return ended.outcome


@pytest.fixture
async def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    monkeypatch.setenv("HOSTILE_FOLDER", str(tmp_path))
    workers = Workers(tmp_path)
    await workers.start()
    yield workers
    await workers.pool.close()


def body(outcome: Outcome) -> str:
    """The JSON of a success."""
    assert outcome.kind is OutcomeKind.OK, outcome
    return "null" if outcome.response is None else outcome.response.body.decode()


async def test_handlers_of_all_kinds_run_in_one_process(workers: Workers) -> None:
    """Functions, coroutines on the loop of their dependencies, and requests."""
    assert body(await workers.run("echo", {"a": [1, "ü"]})) == '{"a":[1,"ü"]}'
    assert body(await workers.run("nap", 0.01)) == "true"
    workers.gate.open()
    request = make_claimed("request")
    workers.pool.submit(request)
    async with asyncio.timeout(DEADLINE):
        assert (await workers.finished.get()).outcome.kind is OutcomeKind.OK
    assert len(list(workers.folder.glob("opened-*"))) == 1


async def test_dependencies_are_closed_at_an_orderly_end(workers: Workers) -> None:
    await workers.run("echo")
    await workers.pool.close()
    await eventually(lambda: (workers.folder / "closed").exists())


async def test_progress_and_log_reach_the_parent(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    attempt = make_python("tell", "it", name="t")
    workers.pool.submit(attempt)

    def told() -> bool:
        workers.pool.check()
        return attempt.progress is not None

    with caplog.at_level(logging.WARNING):
        await eventually(told)
    assert attempt.progress is not None
    assert (attempt.progress.fraction, attempt.progress.message) == (0.4, "at work")
    assert "tell t#1: at work on it" in caplog.messages
    (workers.folder / "go").touch()
    async with asyncio.timeout(DEADLINE):
        assert (await workers.finished.get()).outcome.kind is OutcomeKind.OK


async def test_an_exception_tells_no_secret(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the record nor in the log, which has the traceback."""
    with caplog.at_level(logging.WARNING):
        outcome = await workers.run("leak", {"token": f"{SECRET}-of-the-data"})
        await eventually(lambda: caplog.messages)
    assert (outcome.kind, outcome.error) == (
        OutcomeKind.HANDLER_ERROR,
        "ValueError: cannot log in with password=*** and ***",
    )
    assert any("hostile_handlers.py" in message for message in caplog.messages)
    assert not any(SECRET in message for message in caplog.messages)


async def test_what_a_handler_logs_tells_no_secret(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """And a bad log call does not fail its attempt."""
    with caplog.at_level(logging.WARNING):
        outcome = await workers.run("log_badly", {"token": f"{SECRET}-of-the-data"})
        await eventually(lambda: len(caplog.messages) >= 2)
    assert body(outcome) == "null"
    assert caplog.messages[1].endswith("ValueError: password=*** and ***")


async def test_the_process_survives_what_stays_in_its_thread(workers: Workers) -> None:
    """Each ends as its handler says, and the same process goes on."""
    pid = workers.pool.pid
    retried = {
        "exit": "SystemExit: 3",
        "interrupt": "KeyboardInterrupt",
        "handle_signals": "ValueError: signal only works in main thread of the main interpreter",
        "bare": "The handler asked for another attempt.",
        "unreadable": UNREADABLE,
        "exit_in_text": "tests.tools.hostile_handlers._ExitsInText: its message cannot be shown (SystemExit)",
    }
    for name, error in retried.items():
        outcome = await workers.run(name)
        assert (outcome.kind, outcome.error, outcome.retryable) == (OutcomeKind.HANDLER_ERROR, error, None)
    assert (await workers.run("no_json")).retryable is False
    for name in ("refuse", "refuse_with_exception"):
        assert (await workers.run(name)).error == "no"
    assert (await workers.run("big")).kind is OutcomeKind.TOO_LARGE
    snoozed = await workers.run("snooze")
    assert (snoozed.kind, snoozed.due_in, snoozed.counted) == (OutcomeKind.SNOOZED, 60, False)
    done = {
        "exit_later": '"still here"',
        "threads": "20",
        "terminate": "-15",
        "fork": '"parent of 0"',
        "fork_exit": '"parent of 5"',
        "flood": "null",
        "close_output": "null",
        "move": '"/"',
        "echo": "null",
    }
    for name, result in done.items():
        assert body(await workers.run(name)) == result, name
    assert (await workers.run("unheard_of")).counted is False
    assert (workers.pool.pid, workers.pool.losses, workers.pool.total) == (pid, 0, 4)


@pytest.mark.parametrize("name", ["hang", "spin", "block"])
async def test_a_handler_that_hangs_is_written_off_at_its_deadline(name: str, workers: Workers) -> None:
    """Its attempt ends as a timeout, and functions and coroutines go on in the same process."""
    outcome = await workers.run(name, timeout=0.3)
    assert outcome.kind is OutcomeKind.TIMEOUT
    assert body(await workers.run("echo", 1)) == "1"
    assert body(await workers.run("nap", 0.01)) == "true"
    assert (workers.pool.losses, workers.pool.total) == (0, 4)


@pytest.mark.parametrize(
    ("name", "cause"), [("die", "exit code 7"), ("crash", "signal SIGSEGV"), ("close_all", "exit code")]
)
async def test_a_process_that_dies_is_replaced(name: str, cause: str, workers: Workers) -> None:
    """The attempt does not count at first: nobody can see whose fault it was."""
    outcome = await workers.run(name)
    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert cause in str(outcome.error)
    await workers.ready()
    assert body(await workers.run("echo", 1)) == "1"


async def test_a_fork_does_not_hide_the_death_of_its_process(workers: Workers) -> None:
    """The fork that lives on has no part in the connection."""
    pid = workers.pool.pid
    assert pid is not None
    attempt = make_python("fork_and_stay")
    workers.pool.submit(attempt)
    await eventually(lambda: (workers.folder / "forked").exists())
    fork = psutil.Process(int((workers.folder / "forked").read_text()))
    try:
        os.kill(pid, 9)
        async with asyncio.timeout(DEADLINE):
            assert (await workers.finished.get()).outcome.kind is OutcomeKind.INTERRUPTED
        assert fork.is_running()
    finally:
        fork.kill()
