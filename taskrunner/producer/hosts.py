"""Hosts, for operators: how things are with them, their limits, and the end of a trouble by hand."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from taskrunner.domain.breaker import Breaker
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import FieldError, HostLimitInvalid, HostLimitUnknown, StoreUnavailable
from taskrunner.domain.host import check_pattern
from taskrunner.domain.host_limit import HostLimit, LimitBook, read_limit, read_limits
from taskrunner.domain.host_state import HostState, decode_state, encode_state
from taskrunner.domain.host_view import HostView, view
from taskrunner.domain.slowdown import Slowdown
from taskrunner.stores.base import Store
from taskrunner.stores.host_book import HostEdit, HostEntry

# Consumers change a busy host's state all the time; each of these tries failed since one of them did.
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLimit:
    """A limit in force and where it is from: `given` by the API, else the configuration of this process."""

    pattern: str
    limit: HostLimit
    given: bool


class Hosts:
    """`configured` are the limits of this process's configuration, which consumers should share."""

    def __init__(self, store: Store, clock: Clock, configured: Mapping[str, HostLimit]) -> None:
        self._store = store
        self._clock = clock
        self._configured = configured

    async def list(self, *, limit: int) -> Sequence[HostView]:
        """Hosts that there is something to say of: limited ones that have tasks, and those in trouble."""
        book = await self._book()
        now = self._clock.now()
        entries = await self._store.live_hosts(now=now, limit=limit)
        return [view(entry.host, decode_state(entry.encoded), book, now) for entry in entries]

    async def show(self, host: str) -> HostView:
        """One host, whether anything is known of it or not. Raises `HostLimitInvalid` for what is no host."""
        name = _host(host)
        entry = await self._store.host(name)
        return view(name, _state(entry), await self._book(), self._clock.now())

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
        await self._store.save_host_limit(spelt, limit.encode())
        return ShownLimit(pattern=spelt, limit=limit, given=True)

    async def remove_limit(self, pattern: str) -> None:
        """Take back what was given; what is configured then counts again. Raises `HostLimitUnknown`."""
        spelt = _pattern(pattern)
        if not await self._store.remove_host_limit(spelt):
            known = "; the configuration has one, change it there" if spelt in self._configured else ""
            raise HostLimitUnknown(f"no limit was set for {spelt}{known}")

    async def reset(self, host: str) -> HostView:
        """Close a host's circuit and take back a slowdown. Raises `HostLimitInvalid` for what is no host.

        Tasks that wait for it come back at the time that they were given.
        """
        name = _host(host)
        for _ in range(_TRIES):
            entry = await self._store.host(name)
            if entry is None:
                break
            now = self._clock.now()
            moment = now.timestamp()
            healed = HostState(
                breaker=Breaker(since=moment),
                slowdown=Slowdown(since=moment),
                mean=_state(entry).mean,
                slots=_state(entry).slots,
                arrival=_state(entry).arrival,
            )
            until = datetime.fromtimestamp(healed.lives_until, UTC)
            fresh = HostEntry(
                host=name, version=secrets.token_hex(8), encoded=encode_state(healed), until=until
            )
            (answer,) = await self._store.write_hosts(
                [HostEdit(entry=fresh, expected=entry.version)], now=now
            )
            if answer.written:
                break
        else:
            raise StoreUnavailable(f"the state of {name} changes too fast to be changed")
        return await self.show(name)

    async def _book(self) -> LimitBook:
        return LimitBook(self._configured, read_limits(await self._store.host_limits()))


def _state(entry: HostEntry | None) -> HostState:
    return HostState() if entry is None else decode_state(entry.encoded)


def _pattern(text: str) -> str:
    try:
        return check_pattern(text)
    except ValueError as exc:
        raise HostLimitInvalid([FieldError(field="host", message=str(exc))]) from exc


def _host(text: str) -> str:
    name = _pattern(text)
    if "*" in name:
        raise HostLimitInvalid([FieldError(field="host", message=f"must be one host, got {name}")])
    return name
