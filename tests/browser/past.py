"""A past for a taskrunner that starts now: its file has tasks and schedules of the hours and days before."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from taskrunner.app.adapters import make_store, upgrade_store
from taskrunner.app.embedded import embedded_config
from taskrunner.domain.codec import encode
from taskrunner.domain.events import Events
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.schedules.schedule import slot_task_id
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.producer.schedule_admin import stored_form
from taskrunner.stores.base import Store
from tests.contract.stores.harness import entry, make_task, ref
from tests.tools.waiting import PATIENCE

MONTH = 30 * 86_400.0
_CONSUMER = "c:1:past"
_REASONS = ("timeout", "http_error", "dns_error")


@asynccontextmanager
async def store_in(folder: Path) -> AsyncIterator[Store]:
    """The store of a taskrunner that does not run yet."""
    config = embedded_config(folder, settings={}, environ={})
    await upgrade_store(config)
    store = make_store(config, Events())
    await store.start()
    try:
        await store.wait_ready(PATIENCE)
        yield store
    finally:
        await store.stop()


def some_task(number: int, created_at: datetime, chance: random.Random) -> Task:
    """One of 40 hosts and three teams."""
    return make_task(
        id=f"task-{number:07}",
        url=f"https://host-{chance.randrange(40)}.example/orders/{number}",
        labels={"team": chance.choice(("billing", "mail", "search"))},
        created_at=created_at,
    )


async def fail(store: Store, tasks: Sequence[Task], now: datetime) -> None:
    """For three reasons."""
    for place, reason in enumerate(_REASONS):
        part = [ref(task.id) for task in tasks[place :: len(_REASONS)]]
        await store.fail(part, now=now, reason=reason, error="the target did not answer", retention=MONTH)


async def add_dead_letters(store: Store, count: int) -> None:
    """Over the last 24 hours, more and more of them, of three hosts."""
    chance, now = random.Random(1), datetime.now(UTC)
    for number in range(count):
        died = now - timedelta(hours=24 * chance.random() ** 2)
        task = make_task(
            id=f"dead-{number:04}",
            url=f"https://{chance.choice(('api', 'api', 'hooks', 'mail'))}.example/orders/{number}",
            created_at=died - timedelta(seconds=40),
        )
        await store.accept([entry(task)])
        reason = chance.choice(("timeout", "timeout", "http_error"))
        error = "The target answered 503." if reason == "http_error" else "The target did not answer in 30 s."
        await store.fail([ref(task.id)], now=died, reason=reason, error=error, retention=MONTH)


async def add_schedule(store: Store, name: str, cron: str, time_zone: str) -> None:
    """Since two days ago; of its last runs one failed and one was left out."""
    now = datetime.now(UTC)
    fields = {"cron": cron, "time_zone": time_zone, "task": {"url": f"https://reports.example/{name}"}}
    draft = ScheduleDraft.from_json(encode(fields), TaskLimits())
    schedule = draft.to_schedule(name, now=now - timedelta(days=2)).resumed(now)
    await store.save_schedule(stored_form(schedule), expected=None)
    for place, slot in enumerate(schedule.past_slots(10, now=now)):
        if place != 3:
            await _run(
                store, slot_task_id(name, slot), slot, Status.FAILED if place == 6 else Status.SUCCEEDED
            )


async def _run(store: Store, task_id: str, at: datetime, status: Status) -> None:
    task = make_task(id=task_id, url="https://reports.example/", created_at=at)
    await store.accept([entry(task)])
    attempt_ref = ref(task_id)
    await store.claim([attempt_ref], now=at, lease_until=at + timedelta(minutes=1), consumer=_CONSUMER)
    attempt = Attempt(number=1, consumer=_CONSUMER, started_at=at)
    kind = OutcomeKind.TIMEOUT if status is Status.FAILED else OutcomeKind.OK
    verdict = Verdict(status=status, reason=kind.value, due=None)
    ended = settlement(
        task,
        attempt,
        Outcome(kind=kind),
        verdict,
        RetentionSettings(),
        now=at + timedelta(seconds=2),
        webhooks=(),
    )
    await store.settle([ended], now=at + timedelta(seconds=2))
