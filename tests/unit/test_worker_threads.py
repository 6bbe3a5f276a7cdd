"""Worker threads: the race between an attempt's late end and its being written off."""

import sys
import threading
from collections.abc import Callable

import pytest

from taskrunner.consumer.worker_threads import OVERDUE_GRACE, AssignedAttempt, WorkerThreads
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.handlers.base import AttemptContext, Handler
from tests.tools.attempts import make_claimed

_PATIENCE = 20.0


class _Signalling(Handler):
    """Tells by `begun` what it runs; the attempt `late` waits for `release`."""

    def __init__(self, begun: Callable[[str], None], release: threading.Event) -> None:
        self._begun = begun
        self._release = release

    def run(self, context: AttemptContext) -> Outcome:
        self._begun(context.task.id)
        if context.task.id == "late":
            self._release.wait(_PATIENCE)
        return Outcome(kind=OutcomeKind.OK)

    def close(self) -> None:
        """Nothing is kept."""


class _Breaking(_Signalling):
    """Its attempts named `broken` raise what handlers never should."""

    def run(self, context: AttemptContext) -> Outcome:
        if context.task.id == "broken":
            raise SystemExit(4)
        return super().run(context)


class _Watched(AssignedAttempt):
    """An attempt that does something of the test's own when somebody looks whether it has ended."""

    look: Callable[[], None]

    @property
    def ended(self) -> bool:
        self.look()
        return False

    @ended.setter
    def ended(self, value: bool) -> None:
        """Not needed here."""


def test_a_worker_that_ends_at_the_last_moment_is_not_written_off() -> None:
    """It is on its next attempt already: written off, it would be missing for ever."""
    names = {name: threading.Event() for name in ("late", "next")}
    release = threading.Event()
    threads: WorkerThreads[AssignedAttempt] = WorkerThreads(
        lambda: _Signalling(lambda name: names[name].set(), release), lambda attempt, outcome: None
    )
    threads.resize(1)

    def end_now() -> None:
        release.set()
        threads.put(AssignedAttempt(make_claimed("next").task, 1))
        assert names["next"].wait(_PATIENCE)

    late = _Watched(make_claimed("late", timeout=-2 * OVERDUE_GRACE).task, 1)
    late.look = end_now
    threads.put(late)
    assert names["late"].wait(_PATIENCE)
    assert threads.write_off_overdue() == []
    assert (threads.total, threads.present) == (1, 1)
    threads.resize(0)
    assert threads.total == 0


def test_a_worker_whose_thread_cannot_start_is_missing_until_the_next_resize(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without threads must not count workers that do not exist."""
    done = threading.Event()
    threads: WorkerThreads[AssignedAttempt] = WorkerThreads(
        lambda: _Signalling(lambda name: done.set(), done), lambda attempt, outcome: None
    )

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        threads.resize(3)
        assert (threads.total, threads.present) == (0, 0)
    threads.resize(1)
    threads.put(AssignedAttempt(make_claimed("next").task, 1))
    assert done.wait(_PATIENCE)
    assert threads.total == 1
    threads.resize(0)


def test_a_worker_without_a_handler_is_missing_until_the_next_resize() -> None:
    """The attempt waits for a worker that can run it."""
    made: list[Handler] = []
    tried, done = threading.Event(), threading.Event()

    def make() -> Handler:
        if not tried.is_set():
            tried.set()
            raise MemoryError
        made.append(_Signalling(lambda name: done.set(), done))
        return made[0]

    threads: WorkerThreads[AssignedAttempt] = WorkerThreads(make, lambda attempt, outcome: None)
    threads.put(AssignedAttempt(make_claimed("next").task, 1))
    threads.resize(1)
    assert tried.wait(_PATIENCE)
    while threads.total:
        threading.Event().wait(0.001)
    threads.resize(1)
    assert done.wait(_PATIENCE)
    threads.resize(0)


def test_a_handler_that_raises_costs_neither_the_outcome_nor_the_worker() -> None:
    """An attempt without an outcome would keep its lease for ever."""
    outcomes: list[Outcome] = []
    done = threading.Event()
    threads: WorkerThreads[AssignedAttempt] = WorkerThreads(
        lambda: _Breaking(lambda name: done.set(), done), lambda attempt, outcome: outcomes.append(outcome)
    )
    threads.resize(1)
    for name in ("broken", "next"):
        threads.put(AssignedAttempt(make_claimed(name).task, 1))
    assert done.wait(_PATIENCE)
    assert outcomes[0].kind is OutcomeKind.HANDLER_ERROR
    assert "SystemExit" in str(outcomes[0].error)
    assert threads.total == 1
    threads.resize(0)


def test_a_worker_that_is_lost_is_missing_until_the_next_resize(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked it to leave, so it is not one of those that will."""

    def refuse(attempt: AssignedAttempt, outcome: Outcome) -> None:
        if attempt.task.id == "lost":
            sys.exit(4)

    lost, done = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: lost.set())
    threads: WorkerThreads[AssignedAttempt] = WorkerThreads(
        lambda: _Signalling(lambda name: done.set() if name == "next" else None, done), refuse
    )
    threads.resize(1)
    threads.put(AssignedAttempt(make_claimed("lost").task, 1))
    assert lost.wait(_PATIENCE)
    assert (threads.total, threads.present) == (0, 0)
    threads.resize(1)
    threads.put(AssignedAttempt(make_claimed("next").task, 1))
    assert done.wait(_PATIENCE)
    assert threads.total == 1
    threads.resize(0)
