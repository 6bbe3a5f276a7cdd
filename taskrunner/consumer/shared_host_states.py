"""The host ledger changes states of hosts in the store, each from the newest state, whoever else changes it.

It goes by what it knows and writes only over that; where somebody was faster it gets the newer state and
tries again. Changes that come together are one write, so a state that nobody else changes costs one call.
That nothing starts at a host is no reason to write; so such a host is read before, since it may have been
reset.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Generic, TypeVar

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.host_policy import HostPolicy
from taskrunner.domain.host_state import HostState, decode_state, encode_state
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import HostStore
from taskrunner.stores.host_store import HostEdit, HostEntry

Answer = TypeVar("Answer")
Edit = Callable[[HostState], tuple[HostState, Answer]]

_BATCH = 500
_SPACING = 0.002
# Each time somebody else's write has gone through; so many in a row are not by chance.
_TRIES = 100


@dataclass(slots=True, eq=False)
class _Change(Generic[Answer]):
    host: str
    edit: Edit[Answer]


@dataclass(slots=True)
class _Known:
    version: str | None
    state: HostState


class SharedHostStates:
    """`heard` is told each state that is read or written, on the event loop."""

    def __init__(
        self, store: HostStore, clock: Clock, settings: HostPolicy, heard: Callable[[str, HostState], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._heard = heard
        self._known: dict[str, _Known] = {}
        self._written: set[str] = set()
        self._token_prefix = secrets.token_hex(4)
        self._token_numbers = count()
        self._batcher: Batcher[_Change[Any], Any] = Batcher(self._commit, limit=_BATCH, spacing=_SPACING)

    def change(self, host: str, edit: Edit[Answer]) -> "asyncio.Future[Answer]":
        """Carry out `edit`, once or more; the answer is that of the time that counted.

        One that leaves the state as it is costs nothing. Raises `StoreUnavailable`.
        """
        return self._batcher.submit(_Change(host, edit))

    async def drain(self) -> None:
        """Wait until all changes are written or have failed."""
        await self._batcher.drain()

    async def refresh(self, limit: int) -> int:
        """Read what all have written; of hosts that are not there, nothing is known any more.

        Answers how many there are.
        """
        self._written.clear()
        entries = await self._store.live_hosts(now=self._clock.now(), limit=limit)
        found = {entry.host: self._read(entry) for entry in entries if entry.host not in self._written}
        for host in [*self._known]:
            # What we wrote meanwhile may be newer than what was read.
            if host not in found and host not in self._written:
                del self._known[host]
                self._heard(host, HostState())
        for host, known in found.items():
            self._learn(host, known)
        return len(entries)

    async def _commit(self, group: Sequence[_Change[Any]]) -> Sequence[Any]:
        answers: dict[int, Any] = {}
        by_host: dict[str, list[tuple[int, _Change[Any]]]] = {}
        for place, change in enumerate(group):
            by_host.setdefault(change.host, []).append((place, change))
        await self._read_closed(by_host)
        left = set(by_host)
        for _ in range(_TRIES):
            left = await self._write({host: by_host[host] for host in left}, answers)
            if not left:
                return [answers[place] for place in range(len(group))]
        raise StoreUnavailable(f"the states of {len(left)} hosts change too fast to be changed")

    async def _read_closed(self, hosts: Iterable[str]) -> None:
        now = self._clock.now().timestamp()
        known = ((host, self._known.get(host)) for host in hosts)
        closed = [host for host, each in known if each is not None and each.state.closed_until(now) > now]
        entries = await self._store.hosts(closed) if closed else ()
        for host, entry in zip(closed, entries, strict=True):
            self._learn(host, _Known(None, HostState()) if entry is None else self._read(entry))

    async def _write(
        self, changes: dict[str, list[tuple[int, _Change[Any]]]], answers: dict[int, Any]
    ) -> set[str]:
        """One try; answers the hosts whose state was another one than we knew."""
        edits: list[HostEdit] = []
        changed: list[HostState] = []
        for host, ordered in changes.items():
            known = self._known.get(host)
            before = HostState() if known is None else known.state
            state = before
            for place, change in ordered:
                state, answers[place] = change.edit(state)
            if state != before:
                changed.append(state)
                edits.append(self._edit(host, known, state))
        if not edits:
            return set()
        outpaced: set[str] = set()
        written = await self._store.write_hosts(edits, now=self._clock.now())
        for edit, state, answer in zip(edits, changed, written, strict=True):
            host = edit.entry.host
            if answer.written:
                self._learn(host, _Known(edit.entry.version, state))
                self._written.add(host)
                continue
            outpaced.add(host)
            current = answer.current
            self._learn(host, _Known(None, HostState()) if current is None else self._read(current))
        return outpaced

    def _read(self, entry: HostEntry) -> _Known:
        known = self._known.get(entry.host)
        if known is not None and known.version == entry.version:
            return known
        state = decode_state(entry.encoded)
        return _Known(entry.version, state.believed(self._settings, self._clock.now().timestamp()))

    def _edit(self, host: str, known: _Known | None, state: HostState) -> HostEdit:
        until = datetime.fromtimestamp(state.lives_until, UTC)
        entry = HostEntry(
            host=host,
            version=f"{self._token_prefix}{next(self._token_numbers):x}",
            encoded=encode_state(state),
            until=until,
        )
        return HostEdit(entry=entry, expected=None if known is None else known.version)

    def _learn(self, host: str, known: _Known) -> None:
        self._known[host] = known
        self._heard(host, known.state)
