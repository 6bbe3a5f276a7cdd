"""Signals: the first asks for an orderly stop, the second for an immediate one, and a hang-up counts once."""

import asyncio
import subprocess
import sys

import pytest

from taskrunner.app.stop_report import stop_reported
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Event, Events, ServiceLost, ServiceRestored, ServiceStillLost
from taskrunner.domain.process_events import StopWaits
from taskrunner.monitor.outage_reminder import OutageReminder
from tests.tools.waiting import PATIENCE, in_time

CHILD = """
import asyncio, os, signal
from taskrunner.runtime.signals import Signals

async def main():
    signals = Signals(abort_within=5)
    for name in {names}:
        os.kill(os.getpid(), getattr(signal, name))
        await asyncio.sleep(0.01)  # otherwise the kernel would merge signals of one kind
    print(signals.first.is_set(), signals.second.is_set(), signals.exit_code, flush=True)
    os._exit(0)

asyncio.run(main())
"""


def run_child(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["SIGHUP"], "True False 0"),
        (["SIGHUP", "SIGHUP", "SIGHUP"], "True False 0"),
        (["SIGTERM"], "True False 0"),
        (["SIGINT"], "True False 0"),
        (["SIGTERM", "SIGHUP"], "True True 129"),
        (["SIGHUP", "SIGTERM"], "True True 143"),
        (["SIGINT", "SIGTERM"], "True True 143"),
        (["SIGTERM", "SIGTERM"], "True True 143"),
    ],
)
def test_signals(names: list[str], expected: str) -> None:
    """A closing terminal sends SIGHUP, which is no reason to drop what runs."""
    assert run_child(CHILD.format(names=names)) == expected


def test_nohup_stays_in_force() -> None:
    """`nohup taskrunner …` goes on when its terminal closes."""
    child = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{CHILD.format(names=['SIGHUP'])}"
    assert run_child(child) == "False False 0"


RELOADING = """
import asyncio, os, signal
from taskrunner.runtime.signals import Signals

async def main():
    signals = Signals(abort_within=5, reloads=True)
    for number in range({before}):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
    reloads = []
    signals.reload_with(lambda: reloads.append(1))
    for number in range({after}):
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
    print(len(reloads), signals.first.is_set(), flush=True)
    os._exit(0)

asyncio.run(main())
"""


@pytest.mark.parametrize(("before", "after", "reloads"), [(0, 0, 0), (0, 2, 2), (2, 0, 1), (1, 1, 2)])
def test_a_reload_during_the_start_is_remembered(before: int, after: int, reloads: int) -> None:
    """It neither stops the process nor gets lost."""
    assert run_child(RELOADING.format(before=before, after=after)) == f"{reloads} False"


async def test_a_long_stop_says_what_it_waits_for() -> None:
    """Nothing before the stop is requested, then one line per interval."""
    events, told = Events(), list[Event]()
    enough = asyncio.Event()

    def listen(event: Event) -> None:
        told.append(event)
        if len(told) == 3:
            enough.set()

    events.subscribe(listen)
    requested = asyncio.Event()
    async with stop_reported(requested, events, SystemClock(), lambda: "2 attempts", interval=0.01):
        await asyncio.sleep(0)
        assert told == []
        requested.set()
        async with in_time("it is told three times"):
            await enough.wait()
    assert {event.waits_for for event in told if isinstance(event, StopWaits)} == {"2 attempts"}


class MovedClock(SystemClock):
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


async def test_an_outage_is_told_until_it_ends() -> None:
    """With the first error, and how long it has lasted."""
    events, told, clock = Events(), list[Event](), MovedClock()
    reminder = OutageReminder(events, clock)
    events.emit(ServiceLost(service="redis", error="Connection refused"))
    events.emit(ServiceLost(service="rabbitmq", error="no route"))
    events.subscribe(told.append)
    await reminder.turn()
    assert told == []
    clock.seconds = 31
    await reminder.turn()
    events.emit(ServiceRestored(service="rabbitmq", outage=31))
    clock.seconds = 61
    await reminder.turn()
    still = [event for event in told if isinstance(event, ServiceStillLost)]
    assert [(event.service, event.outage) for event in still] == [
        ("redis", 31),
        ("rabbitmq", 31),
        ("redis", 61),
    ]
    assert still[0].error == "Connection refused"
