"""Conditional schedules: what one run leaves to the next, through every store."""

from datetime import timedelta

import pytest

from taskrunner.domain.events import Events
from taskrunner.domain.retries.retry import decide
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.task import Validators
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.producer.schedule_admin import stored_form
from taskrunner.producer.scheduler import Scheduler
from taskrunner.producer.settings import SchedulerSettings
from taskrunner.stores.base import AttemptRef, Store
from tests.contract.stores.harness import DAY, fetch
from tests.tools.clock import ManualClock

URL = "https://a.example/feed"
KEEP = RetentionSettings(succeeded=3600.0, failed=3600.0)


class Feed:
    """A schedule with a slot each day, whose runs end as a test says."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = ManualClock()
        self._scheduler = Scheduler(
            store, Events(), self.clock, TaskSettingsSource(), SchedulerSettings(), WebhookSource(())
        )

    async def create(self, *, conditional: bool = True) -> None:
        draft = ScheduleDraft.from_fields(
            {"cron": "@daily", "conditional": conditional, "task": {"url": URL}}, TaskLimits()
        )
        await self.store.save_schedule(
            stored_form(draft.to_schedule("feed", now=self.clock.now())), expected=None
        )

    async def next_slot(self) -> str:
        """Make the next run; its id."""
        slot = (self.clock.now() + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        self.clock.advance((slot - self.clock.now()).total_seconds())
        await self._scheduler.turn()
        return f"feed-{slot:%Y%m%dT%H%M%SZ}"

    async def end(self, task_id: str, outcome: Outcome) -> Record:
        """Run an attempt of it, which comes to that."""
        now = self.clock.now()
        record = await fetch(self.store, task_id)
        number = record.attempt + 1
        await self.store.claim(
            [AttemptRef(id=task_id, attempt=number)],
            consumer="c",
            now=now,
            lease_until=now + timedelta(seconds=30),
        )
        ended = Attempt(number=number, consumer="c", started_at=now)
        verdict = decide(record.task, outcome, attempt=number, attempt_limit=1, now=now, random=0.0)
        assert await self.store.settle(
            [settlement(record.task, ended, outcome, verdict, KEEP, now=now, webhooks=())], now=now
        ) == [True]
        return await fetch(self.store, task_id)


@pytest.fixture
async def feed(store: Store) -> Feed:
    made = Feed(store)
    await made.create()
    return made


def answered(status: int, etag: str | None = None) -> Outcome:
    headers = () if etag is None else (("ETag", etag),)
    kind = OutcomeKind.OK if status in {200, 304} else OutcomeKind.HTTP_ERROR
    return Outcome(kind=kind, response=Response(status=status, headers=headers, url=URL))


def of(task_id: str, etag: str) -> Validators:
    return Validators(url=URL, etag=etag, task_id=task_id)


async def test_a_run_asks_by_what_the_last_success_got(feed: Feed) -> None:
    """However many runs in between found nothing new, or failed."""
    first = await feed.next_slot()
    assert (await fetch(feed.store, first)).task.validators is None
    await feed.end(first, answered(200, '"a"'))
    for outcome in (answered(304), answered(404), answered(304, '"a"')):
        run = await feed.next_slot()
        assert (await fetch(feed.store, run)).task.validators == of(first, '"a"')
        await feed.end(run, outcome)

    newer = await feed.next_slot()
    await feed.end(newer, answered(200, '"b"'))

    assert (await fetch(feed.store, await feed.next_slot())).task.validators == of(newer, '"b"')


async def test_a_run_that_ends_late_changes_nothing_behind_it(feed: Feed) -> None:
    """The next was made while it ran; what that one gets is newer."""
    first = await feed.next_slot()
    await feed.end(first, answered(200, '"a"'))
    late, second = await feed.next_slot(), await feed.next_slot()
    await feed.end(second, answered(200, '"c"'))
    await feed.end(late, answered(200, '"b"'))

    assert (await fetch(feed.store, second)).task.validators == of(first, '"a"')
    assert (await fetch(feed.store, await feed.next_slot())).task.validators == of(second, '"c"')


@pytest.mark.parametrize("status", [200, 404])
async def test_a_run_is_kept_until_the_next_has_looked_at_it(feed: Feed, status: int) -> None:
    """Its result would have been removed after an hour."""
    run = await feed.next_slot()

    record = await feed.end(run, answered(status, '"a"'))

    assert record.kept_until is not None
    assert timedelta(days=2) <= record.kept_until - feed.clock.now() < timedelta(days=2, seconds=1)


async def test_without_the_run_before_there_is_no_condition(feed: Feed) -> None:
    """Somebody deleted it: everything is fetched once more."""
    first = await feed.next_slot()
    await feed.end(first, answered(200, '"a"'))
    await feed.store.delete([first], now=feed.clock.now(), retention=60.0)

    assert (await fetch(feed.store, await feed.next_slot())).task.validators is None


async def test_an_unconditional_schedule_asks_for_everything(store: Store) -> None:
    """And keeps its runs no longer than others."""
    feed = Feed(store)
    await feed.create(conditional=False)
    first = await feed.next_slot()
    record = await feed.end(first, answered(200, '"a"'))

    assert record.kept_until == feed.clock.now() + timedelta(hours=1)
    assert (await fetch(store, await feed.next_slot())).task.validators is None
