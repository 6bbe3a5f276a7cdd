"""AttemptWatch stops a function at its deadline, and touches no other code of its thread."""

import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.python import attempt_watch
from taskrunner.handlers.python.attempt_watch import AttemptStopped, AttemptWatch
from tests.tools.attempts import make_claimed
from tests.tools.waiting import last_look


@pytest.fixture
def context() -> AttemptContext:
    return make_claimed("a")


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[AttemptWatch]:
    """It looks so often that it meets calls at every point."""
    monkeypatch.setattr(attempt_watch, "INTERVAL", 1e-5)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    watch = AttemptWatch()
    watch.start()
    yield watch
    watch.close()
    sys.setswitchinterval(before)


def test_the_exception_never_comes_after_the_call(watch: AttemptWatch, context: AttemptContext) -> None:
    """Deadlines before, during and after functions of all lengths: each call returns or raises, no more."""
    returned = stopped = 0
    for turn in range(200_000):
        if min(returned, stopped) >= 200:
            break
        work = partial(sum, range(turn % 100 * 100))
        try:
            watch.call(work, context, time.monotonic() + turn % 7 * 1e-5)
            returned += 1
        except AttemptStopped:
            stopped += 1
        sum(range(50))  # one that came late would be raised here
    # Both happened often, so there were calls that nearly ended in the other way.
    assert returned >= 200
    assert stopped >= 200


def test_a_function_that_swallows_everything_is_let_go(watch: AttemptWatch, context: AttemptContext) -> None:
    """It is stopped once; its worker is written off like any that hangs."""

    def stubborn() -> str:
        caught = 0
        while not caught:
            try:
                last_look(lambda: False, within=60)
            except BaseException:  # noqa: BLE001 - that is the point
                caught += 1
        return "went on"

    assert watch.call(stubborn, context, time.monotonic()) == "went on"
