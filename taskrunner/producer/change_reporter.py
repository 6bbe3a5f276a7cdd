"""The change reporter sends webhooks the changes of tasks that they ask for beside the ends.

It reads the store's log of changes, which there is only while a webhook or a watcher wants it. One process at
a time reports; the cursor in the store says which, and how far it has come. Law: reports are stored before
the cursor moves on, and a report that is made again has the same id.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.change import ChangeCursor, StatusChange
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.change_report import change_reports, gap_reports, wanted_by
from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.producer.webhook_watch import WebhookWatch, webhooks_in_force
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

_CURSOR, _NOBODY = "webhooks", ""
# Changes per read.
PART = 500
# Seconds between two reads of the log, and between two looks whether there is something to do.
INTERVAL, _IDLE = 0.5, 1.0
# Another process goes on this long after the one that reported died.
LEASE = timedelta(seconds=10)
# Outlasts a restart of all processes.
_KEEP_LOG = timedelta(minutes=5)
_KEEP_INTERVAL = timedelta(seconds=20)


async def begin_reporting(store: Store, now: datetime) -> ChangeCursor:
    """See to it that every change from now on is reported to the webhooks that are stored by now.

    Whoever reports has to begin again, with the webhooks as they are. If none wanted changes, the cursor is
    written anew: it may stand where the last one that did was deleted.
    """
    while True:
        found = await _find_cursor(store)
        # Before the look at the webhooks: one that is stored later is promised nothing before this place.
        log = await store.log_changes(now=now, until=now + _KEEP_LOG)
        if found is not None and any(each.changes for each in await webhooks_in_force(store, now)):
            cursor = replace(found, holder=_NOBODY, until=now)
        else:
            cursor = ChangeCursor(name=_CURSOR, place=log.end, holder=_NOBODY, until=now, secret=uuid4().hex)
        if await store.save_change_cursor(cursor, expected=found):
            return cursor


async def _find_cursor(store: Store) -> ChangeCursor | None:
    return next((each for each in await store.change_cursors() if each.name == _CURSOR), None)


class ChangeReporter(Service):
    """`name` is that of this process."""

    def __init__(
        self, store: Store, events: Events, clock: Clock, webhooks: WebhookWatch, *, name: str
    ) -> None:
        super().__init__("change reporter", events)
        self._store = store
        self._clock = clock
        self._webhooks = webhooks
        self._name = name
        # The cursor as this process wrote it last, None while it does not report.
        self._held: ChangeCursor | None = None
        self._keep_due = clock.now()
        # The time of the last change that was told.
        self._told_at = datetime.min.replace(tzinfo=UTC)

    async def turn(self) -> float:
        if not self._wanting:
            if self._webhooks.source.known is not None:
                await self._end()
            return _IDLE
        held = self._held or await self._take()
        if held is None:
            return _IDLE
        return await self._report(held, self._wanting)

    async def stop(self) -> None:
        """Another process goes on at once."""
        await super().stop()
        held, self._held = self._held, None
        if held is not None:
            # If the store is away, the lease ends by itself.
            with suppress(OutsideError):
                await self._store.save_change_cursor(replace(held, until=self._clock.now()), expected=held)

    @property
    def _wanting(self) -> Sequence[Webhook]:
        return [webhook for webhook in self._webhooks.source.known or () if webhook.changes]

    async def _take(self) -> ChangeCursor | None:
        """The cursor of this process, None while another one holds it."""
        now = self._clock.now()
        found = await _find_cursor(self._store) or await begin_reporting(self._store, now)
        if found.until > now and found.holder not in {_NOBODY, self._name}:
            return None
        # After the look at the cursor: one that was stored since takes it away again.
        await self._webhooks.read()
        await self._move(found, holder=self._name, until=now + LEASE)
        self._keep_due = now
        return self._held

    async def _report(self, held: ChangeCursor, wanting: Sequence[Webhook]) -> float:
        now = self._clock.now()
        part = await self._store.changes(held.place, limit=PART)
        if part.lost or now >= self._keep_due:
            log = await self._store.log_changes(now=now, until=now + _KEEP_LOG)
            self._keep_due = now + _KEEP_INTERVAL
            if part.lost:
                await self._accept(gap_reports(wanting, log.end, held, now))
                await self._move(held, place=log.end, until=now + LEASE)
                return 0.0
        if part.changes:
            await self._accept(await self._reports(part.changes, wanting, held))
            await self._move(held, place=part.changes[-1].id, until=now + LEASE)
        elif held.until - now < LEASE / 2:
            await self._move(held, until=now + LEASE)
        return 0.0 if len(part.changes) == PART else INTERVAL

    async def _reports(
        self, changes: Sequence[StatusChange], wanting: Sequence[Webhook], held: ChangeCursor
    ) -> list[NewTask]:
        wanted = [(change, webhooks) for change in changes if (webhooks := wanted_by(change, wanting))]
        records = await self._store.get_many(list({change.task_id for change, _ in wanted}))
        now = self._clock.now()
        return [
            report
            for change, webhooks in wanted
            for report in change_reports(
                self._in_order(change, now), records.get(change.task_id), webhooks, held, now
            )
        ]

    def _in_order(self, change: StatusChange, now: datetime) -> StatusChange:
        """With a later time than the change before: stores count milliseconds, and clocks may go back."""
        self._told_at = max(change.at or now, self._told_at + timedelta(microseconds=1))
        return replace(change, at=self._told_at)

    async def _accept(self, reports: Sequence[NewTask]) -> None:
        """The relay finds them due."""
        if reports:
            await self._store.accept(reports)

    async def _move(self, held: ChangeCursor, **changes: object) -> None:
        """Another process reports if this one was too slow."""
        moved = replace(held, **changes)
        self._held = moved if await self._store.save_change_cursor(moved, expected=held) else None

    async def _end(self) -> None:
        """No webhook wants changes any more: those until the next one does are reported to nobody."""
        if self._held is not None:
            await self._store.delete_change_cursor(self._held)
            self._held = None
