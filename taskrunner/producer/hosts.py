"""Hosts, for operators: how things are with them, their limits, and the end of a trouble by hand."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taskrunner.domain.back_pressure import BackPressure
from taskrunner.domain.circuit_breaker import CircuitBreaker, Phase
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import FieldError, HostLimitInvalid, HostLimitUnknown, StoreUnavailable
from taskrunner.domain.events import CircuitClosed, Events
from taskrunner.domain.host_limit import HostLimit, HostLimits, read_limit, read_limits
from taskrunner.domain.host_name import check_host_name, check_pattern, host_of, patterns_for
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.host_state import HostState, decode_state, encode_state, waits_for_host
from taskrunner.domain.host_view import HostView, view
from taskrunner.domain.status import Status
from taskrunner.domain.value import Value, replace
from taskrunner.stores.base import Snooze, Store
from taskrunner.stores.host_store import HostEdit, HostEntry

# Consumers change a busy host's state all the time; each of these tries failed since one of them did.
_TRIES = 100
# Seconds after which each consumer has heard of a change.
_HEARD = 5.0
# Consumers read all of them when one changes: half a megabyte, and 50 ms.
MOST_LIMITS = 10_000
# Of tasks that wait so many are looked through for those to wake: a quarter of a second of decoding.
_LOOKED_MOST, _PAGE = 10_000, 500


class ShownLimit(Value):
    """A limit in force and where it is from: `given` by the API, else the configuration of this process."""

    pattern: str
    limit: HostLimit
    given: bool


class Hosts:
    """`configured` limits and `settings` are of this process's configuration, which consumers should
    share.
    """

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

    async def list(self, *, limit: int) -> Sequence[HostView]:
        """Hosts that there is something to say of: limited ones that have tasks, and those in trouble."""
        book = await self._book()
        now = self._clock.now()
        entries = await self._store.live_hosts(now=now, limit=limit)
        return [view(entry.host, self._state(entry), book, now) for entry in entries]

    async def show(self, host: str) -> HostView:
        """One host, whether anything is known of it or not. Raises `HostLimitInvalid` for what is no host."""
        name = _host(host)
        entry = await self._store.host(name)
        return view(name, self._state(entry), await self._book(), self._clock.now())

    async def limits(self) -> Sequence[ShownLimit]:
        """All limits by pattern."""
        given = read_limits(await self._store.host_limits())
        limits = {**self._configured, **given}
        return [
            ShownLimit(pattern=pattern, limit=limit, given=pattern in given)
            for pattern, limit in sorted(limits.items())
        ]

    async def set_limit(self, pattern: str, fields: Any) -> ShownLimit:
        """Give a pattern a limit; consumers hear of it in about a second. Raises `HostLimitInvalid`."""
        spelt, limit = _pattern(pattern), read_limit(fields)
        given = await self._store.host_limits()
        if spelt not in given and len(given) >= MOST_LIMITS:
            raise _invalid(
                f"{len(given)} limits are set, and no more than {MOST_LIMITS} may be; "
                "remove some, or limit many hosts by one pattern"
            )
        await self._store.save_host_limit(spelt, limit.encode())
        await self._limit_anew(spelt)
        return ShownLimit(pattern=spelt, limit=limit, given=True)

    async def remove_limit(self, pattern: str) -> None:
        """Take back what was given; what is configured then counts again. Raises `HostLimitUnknown`."""
        spelt = _pattern(pattern)
        if not await self._store.remove_host_limit(spelt):
            known = "; the configuration has one, change it there" if spelt in self._configured else ""
            raise HostLimitUnknown(f"no limit was set for {spelt}{known}")
        await self._limit_anew(spelt)

    async def reset(self, host: str) -> HostView:
        """Close a host's circuit and take back a slowdown. Raises `HostLimitInvalid` for what is no host."""
        name, moment = _host(host), self._clock.now().timestamp()
        breaker, slowdown = CircuitBreaker(since=moment), BackPressure(since=moment)
        before = await self._change(
            name, lambda state: replace(state, breaker=breaker, slowdown=slowdown, tail=0.0)
        )
        if before.breaker.phase(moment) is not Phase.CLOSED:
            self._events.emit(CircuitClosed(host=name))
        await self._wake(name.__eq__)
        return await self.show(name)

    async def _change(self, host: str, edit: Callable[[HostState], HostState]) -> HostState:
        """Change what consumers share of a host, if they share anything; answers what it was."""
        for _ in range(_TRIES):
            entry = await self._store.host(host)
            before = self._state(entry)
            if entry is None:
                return before
            state = edit(before)
            fresh = HostEntry(
                host=host,
                version=secrets.token_hex(8),
                encoded=encode_state(state),
                until=datetime.fromtimestamp(state.lives_until, UTC),
            )
            edits = [HostEdit(entry=fresh, expected=entry.version)]
            (answer,) = await self._store.write_hosts(edits, now=self._clock.now())
            if answer.written:
                return before
        raise StoreUnavailable(f"the state of {host} changes too fast to be changed")

    async def _limit_anew(self, pattern: str) -> None:
        """No moment that was given by the limit of before counts any more."""
        for entry in await self._store.live_hosts(now=self._clock.now(), limit=_LOOKED_MOST):
            if pattern in patterns_for(entry.host):
                await self._change(entry.host, lambda state: replace(state, arrival=0.0, tail=0.0))
        await self._wake(lambda host: pattern in patterns_for(host))

    async def _wake(self, meant: Callable[[str], bool]) -> None:
        """Let tasks that wait for such a host ask again once consumers have heard of the change.

        With very many of them the older ones come at the time that they were given.
        """
        now = self._clock.now()
        due = now + timedelta(seconds=_HEARD)
        cursor: str | None = None
        for _ in range(_LOOKED_MOST // _PAGE):
            page = await self._store.list_tasks(Status.SCHEDULED, limit=_PAGE, cursor=cursor)
            snoozes = [
                Snooze(id=record.task.id, attempt=record.attempt + 1, due=due)
                for record in page.items
                if record.due is not None
                and record.due > due
                and waits_for_host(record.waits_for, host_of(record.task.url))
                and meant(host_of(record.task.url))
            ]
            if snoozes:
                await self._store.snooze(snoozes, now=now)
            cursor = page.cursor
            if cursor is None:
                return

    def _state(self, entry: HostEntry | None) -> HostState:
        if entry is None:
            return HostState()
        return decode_state(entry.encoded).believed(self._settings, self._clock.now().timestamp())

    async def _book(self) -> HostLimits:
        return HostLimits(self._configured, read_limits(await self._store.host_limits()))


def _pattern(text: str) -> str:
    return _checked(check_pattern, text)


def _host(text: str) -> str:
    return _checked(check_host_name, text)


def _checked(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as exc:
        raise _invalid(str(exc)) from exc


def _invalid(message: str) -> HostLimitInvalid:
    return HostLimitInvalid([FieldError(field="host", message=message)])
