"""Host administration for operators: show hosts, set their limits, reset their state."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taskrunner.domain.clock import Clock, to_ms
from taskrunner.domain.errors import (
    FieldError,
    HostLimitInvalid,
    HostLimitUnknown,
    StateConflict,
    StoreUnavailable,
)
from taskrunner.domain.events import CircuitClosed, Events
from taskrunner.domain.executors.executor_limits import check_limited_name, executor_limits
from taskrunner.domain.hosts.back_pressure import BackPressure
from taskrunner.domain.hosts.circuit_breaker import CircuitBreaker, CircuitPhase
from taskrunner.domain.hosts.host_admission import waits_for_host
from taskrunner.domain.hosts.host_limit import HostLimit, HostLimits, read_document, read_limit, read_limits
from taskrunner.domain.hosts.host_name import check_pattern, host_of, patterns_for
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HostState, decode_state, encode_state
from taskrunner.domain.hosts.host_view import HostView, host_view
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value, replace
from taskrunner.producer.change_check import Check, allow
from taskrunner.stores.base import Page, SnoozeRequest, Store
from taskrunner.stores.host_store import HostEdit, HostEntry
from taskrunner.stores.values import Place

# Consumers change the state of a busy host all the time, and each change makes one of these tries fail.
_MAX_TRIES = 100
# Seconds after which every consumer has read a change.
_CHANGE_DELAY = 5.0
# Consumers read all limits when one changes: half a megabyte, and 50 ms.
MAX_LIMITS = 10_000
# Waiting tasks that are searched for those to wake: a quarter of a second of decoding.
_MAX_CHECKED, _PAGE = 10_000, 500


class HostLimitEntry(Value):
    """A limit in force: `given` by the API, or configured for this process."""

    pattern: str
    limit: HostLimit
    given: bool


class HostAdmin:
    """`configured` and `settings` come from this process's configuration; consumers should have the same."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        configured: Mapping[str, HostLimit],
        settings: HostSettings,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._configured = configured
        self._settings = settings

    def configure(self, limits: Mapping[str, HostLimit]) -> None:
        """Replace the limits of the configuration."""
        self._configured = limits

    async def list(self, *, limit: int, cursor: str | None = None) -> Page[HostView]:
        """Limited hosts that have tasks, and hosts in trouble. Raises `ValueError` for a foreign cursor.

        A host whose state changes between two pages may be in both or in none.
        """
        after = None if cursor is None else Place.of_cursor(cursor)
        limits = await self._limits_in_force()
        now = self._clock.now()
        # One more than the page shows whether there is another page.
        found = await self._store.live_hosts(now=now, limit=limit + 1, after=after)
        entries = found[:limit]
        return Page(
            items=[host_view(entry.host, self._state(entry), limits, now) for entry in entries],
            cursor=_place(entries[-1]).cursor() if len(found) > limit else None,
        )

    async def show(self, host: str) -> HostView:
        """One host or `executor:NAME`, known or not. Raises `HostLimitInvalid` for an invalid name."""
        name = _checked(check_limited_name, host)
        entry = await self._store.host(name)
        return host_view(name, self._state(entry), await self._limits_in_force(), self._clock.now())

    async def limits(self) -> Sequence[HostLimitEntry]:
        """All limits by pattern."""
        given = read_limits(await self._store.host_limits())
        limits = {**self._configured, **given}
        return [
            HostLimitEntry(pattern=pattern, limit=limit, given=pattern in given)
            for pattern, limit in sorted(limits.items())
        ]

    async def limit(self, pattern: str) -> HostLimitEntry:
        """The limit of a pattern, set or configured. Raises `HostLimitInvalid` and `HostLimitUnknown`."""
        spelt = _checked(check_pattern, pattern)
        known = self._limit_in(await self._store.host_limits(), spelt)
        if known is None:
            raise _unknown(spelt)
        return known

    async def set_limit(
        self, pattern: str, fields: Any, *, check: Check[HostLimitEntry] = allow
    ) -> HostLimitEntry:
        """Set the limit of a pattern; consumers read it within about a second. Raises `HostLimitInvalid`."""
        limit = read_document(fields) if isinstance(fields, bytes) else read_limit(fields)
        return await self._change_limit(pattern, lambda _: limit, check)

    async def patch_limit(
        self, pattern: str, patch: bytes, *, check: Check[HostLimitEntry] = allow
    ) -> HostLimitEntry:
        """Change what a JSON merge patch (RFC 7396) names in the limit of a pattern, set or configured.

        Raises `HostLimitInvalid` and `HostLimitUnknown`.
        """

        def check_known(known: HostLimitEntry | None) -> None:
            if known is None:
                raise _unknown(_checked(check_pattern, pattern))
            check(known)

        return await self._change_limit(pattern, lambda known: read_document(patch, known), check_known)

    async def remove_limit(self, pattern: str, *, check: Check[HostLimitEntry] = allow) -> None:
        """Remove the limit that was set; a configured one applies again. Raises `HostLimitUnknown`."""
        spelt = _checked(check_pattern, pattern)
        for _ in range(_MAX_TRIES):
            stored = await self._store.host_limits()
            if spelt not in stored:
                known = "; the configuration has one, change it there" if spelt in self._configured else ""
                raise HostLimitUnknown(f"no limit was set for {spelt}{known}")
            check(self._limit_in(stored, spelt))
            if await self._store.change_host_limit(spelt, None, expected=stored[spelt]):
                await self._forget_wait_times(spelt)
                return
        raise _contended(spelt)

    async def _change_limit(
        self, pattern: str, change: Callable[[HostLimit | None], HostLimit], check: Check[HostLimitEntry]
    ) -> HostLimitEntry:
        """`check` sees the limit that the change replaces, so that nothing can come between."""
        spelt = _checked(check_pattern, pattern)
        for _ in range(_MAX_TRIES):
            stored = await self._store.host_limits()
            known = self._limit_in(stored, spelt)
            check(known)
            limit = change(None if known is None else known.limit)
            _check_room(spelt, stored)
            if await self._store.change_host_limit(spelt, limit.encode(), expected=stored.get(spelt)):
                await self._forget_wait_times(spelt)
                return HostLimitEntry(pattern=spelt, limit=limit, given=True)
        raise _contended(spelt)

    def _limit_in(self, stored: Mapping[str, bytes], spelt: str) -> HostLimitEntry | None:
        """The limit of a pattern in force while these are stored."""
        given = read_limits(stored)
        limit = HostLimits(self._configured, given).limits.get(spelt)
        return None if limit is None else HostLimitEntry(pattern=spelt, limit=limit, given=spelt in given)

    async def reset(self, host: str) -> HostView:
        """Close a host's circuit and end its back-pressure. Raises `HostLimitInvalid` for an invalid name."""
        name, moment = _checked(check_limited_name, host), self._clock.now().timestamp()
        breaker, back_pressure = CircuitBreaker(since=moment), BackPressure(since=moment)
        before = await self._change(
            name, lambda state: replace(state, breaker=breaker, back_pressure=back_pressure, tail=0.0)
        )
        if before.breaker.phase(moment) is not CircuitPhase.CLOSED:
            self._events.emit(CircuitClosed(host=name))
        await self._wake(name.__eq__)
        return await self.show(name)

    async def _change(self, host: str, edit: Callable[[HostState], HostState]) -> HostState:
        """Change the shared state of a host, if there is one; returns the state before."""
        for _ in range(_MAX_TRIES):
            entry = await self._store.host(host)
            before = self._state(entry)
            if entry is None:
                return before
            state = edit(before)
            fresh = HostEntry(
                host=host,
                version=secrets.token_hex(8),
                encoded=encode_state(state),
                until=datetime.fromtimestamp(state.relevant_until, UTC),
            )
            edits = [HostEdit(entry=fresh, expected=entry.version)]
            (answer,) = await self._store.write_hosts(edits, now=self._clock.now())
            if answer.written:
                return before
        raise StoreUnavailable(f"the state of {host} changes too fast to be changed")

    async def _forget_wait_times(self, pattern: str) -> None:
        """Drop the times that the old limit gave to waiting tasks."""
        for entry in await self._store.live_hosts(now=self._clock.now(), limit=_MAX_CHECKED):
            if pattern in patterns_for(entry.host):
                await self._change(entry.host, lambda state: replace(state, arrival=0.0, tail=0.0))
        await self._wake(lambda host: pattern in patterns_for(host))

    async def _wake(self, is_match: Callable[[str], bool]) -> None:
        """Make the tasks that wait for a matching host due once consumers have read the change.

        Beyond `_MAX_CHECKED` tasks, the older ones keep the time that they were given.
        """
        now = self._clock.now()
        due = now + timedelta(seconds=_CHANGE_DELAY)
        cursor: str | None = None
        for _ in range(_MAX_CHECKED // _PAGE):
            page = await self._store.list_tasks(Status.SCHEDULED, limit=_PAGE, cursor=cursor)
            snoozes = [
                SnoozeRequest(id=record.task.id, attempt=record.attempt + 1, due=due)
                for record in page.items
                if record.due is not None
                and record.due > due
                and record.task.url is not None
                and waits_for_host(record.waits_for, host_of(record.task.url))
                and is_match(host_of(record.task.url))
            ]
            if snoozes:
                await self._store.snooze(snoozes, now=now)
            cursor = page.cursor
            if cursor is None:
                return

    def _state(self, entry: HostEntry | None) -> HostState:
        if entry is None:
            return HostState()
        return decode_state(entry.encoded).sanitized(self._settings, self._clock.now().timestamp())

    async def _limits_in_force(self) -> HostLimits:
        given = read_limits(await self._store.host_limits())
        return HostLimits(self._configured, {**given, **executor_limits(await self._store.executors())})


def _place(entry: HostEntry) -> Place:
    return Place(ms=to_ms(entry.until), id=entry.host)


def _check_room(pattern: str, given: Mapping[str, bytes]) -> None:
    """Raises `HostLimitInvalid` if there are too many limits for one more."""
    if pattern not in given and len(given) >= MAX_LIMITS:
        raise _invalid(
            f"{len(given)} limits are set, and no more than {MAX_LIMITS} may be; "
            "remove some, or limit many hosts by one pattern"
        )


def _unknown(pattern: str) -> HostLimitUnknown:
    return HostLimitUnknown(f"no limit was set for {pattern}, and none is configured; PUT sets one")


def _contended(pattern: str) -> StateConflict:
    return StateConflict(f"the limit of {pattern} is being changed by others; try again")


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as exc:
        raise _invalid(str(exc)) from exc


def _invalid(message: str) -> HostLimitInvalid:
    return HostLimitInvalid([FieldError(field="host", message=message)])
