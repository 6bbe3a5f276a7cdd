"""The process reporter notes each second, and sends what it has noted also after an outage."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.domain.fleet.figures import KEPT, MINUTE, Figures
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.producer.process_reporter import ProcessReporter
from taskrunner.stores.base import FleetStore, StoredFigures
from tests.tools.clock import ManualClock


class Reports(FleetStore):
    """Keeps what was reported, by its place."""

    def __init__(self) -> None:
        self.away = False
        self.kept: dict[tuple[int, int, str], Figures] = {}
        self.calls = 0

    async def report(
        self, report: WorkerReport | None, figures: Sequence[StoredFigures], *, now: datetime, until: datetime
    ) -> None:
        if self.away:
            raise StoreUnavailable("away")
        assert until > now
        assert report is None
        self.calls += 1
        self.kept |= {(each.seconds, each.start, each.process): each.figures for each in figures}

    async def worker_reports(self, *, now: datetime) -> Sequence[WorkerReport]:
        raise NotImplementedError

    async def figures(self, *, seconds: int, first: int, last: int) -> Sequence[StoredFigures]:
        raise NotImplementedError

    async def queued_since(self, *, limit: int) -> dict[str, datetime]:
        raise NotImplementedError

    def submitted(self, seconds: int) -> list[int]:
        return [each.submitted for (kind, _, _), each in sorted(self.kept.items()) if kind == seconds]


class Process:
    """A process that counts what a test says."""

    def __init__(self) -> None:
        self.clock, self.store, self.total = ManualClock(), Reports(), 0
        self.reporter = ProcessReporter(
            self.store,
            Events(),
            self.clock,
            process="p",
            counted=lambda: Figures(submitted=self.total),
            depth=self.depth,
            workers=None,
        )

    async def depth(self) -> int | None:
        return 7

    async def second(self, count: int) -> None:
        self.total += count
        self.clock.advance(1)
        try:
            assert 0 < await self.reporter.turn() <= 1
        except StoreUnavailable:
            assert self.store.away


async def test_each_second_has_what_was_counted_in_it() -> None:
    """Two reports of each second are one; the minute is the sum so far."""
    process = Process()
    for count in (3, 0, 5, 1):
        await process.second(count)
    await process.reporter.stop()
    assert process.store.submitted(1)[:4] == [3, 0, 5, 1]
    assert process.store.submitted(60) == [9]
    assert process.store.calls == 3
    assert {each.depth for each in process.store.kept.values()} <= {None, 7}


async def test_a_turn_in_the_same_second_counts_nothing_twice() -> None:
    """A timer may fire a little early."""
    process = Process()
    await process.second(3)
    process.total += 2
    process.clock.advance(0.4)
    await process.reporter.turn()
    process.clock.advance(0.6)
    await process.reporter.turn()
    await process.reporter.stop()
    assert process.store.submitted(1)[:2] == [3, 2]


async def test_an_outage_loses_no_second() -> None:
    """Nor does it collect without a bound."""
    process = Process()
    process.store.away = True
    for count in range(150):
        await process.second(count)
    process.store.away = False
    for _ in range(3):
        await process.second(1)
    sent = process.store.submitted(1)
    assert sent[-1] == 1
    assert 149 in sent
    assert len(sent) <= 123
    assert sum(process.store.submitted(60)) == process.total


@pytest.mark.parametrize("seconds", [61, 125])
async def test_minutes_are_whole(seconds: int) -> None:
    """Each has its own sum, the one under way included."""
    process = Process()
    for _ in range(seconds):
        await process.second(1)
    await process.reporter.stop()
    assert sum(process.store.submitted(60)) == seconds
    assert process.store.submitted(60)[0] == 60


async def test_an_outage_of_days_collects_a_day_of_minutes() -> None:
    """As many as are kept; the oldest go."""
    process = Process()
    for _ in range(KEPT[MINUTE] + 9):
        process.total += 1
        process.clock.advance(MINUTE)
        await process.reporter.turn()
    assert process.store.calls == 0
    await process.reporter.stop()
    assert len(process.store.submitted(MINUTE)) == KEPT[MINUTE]
    assert process.store.kept[MINUTE, int(process.clock.now().timestamp()), "p"].submitted == 0


async def test_a_clock_that_is_set_back_stops_no_report() -> None:
    """Otherwise nothing is known of the process until the clock is where it was."""
    process = Process()
    await process.second(1)
    process.clock.advance(-3600)
    for _ in range(4):
        await process.second(1)
    assert process.store.calls == 3
