"""SharedHostStates changes host states in the store while other consumers change them, too.

A write names the version that it replaces. If another consumer was faster, the store answers with its state
and the change is applied to that one. Changes that come together are one write, so a state that nobody else
changes costs one call. A host where nothing may start is read first: nobody writes its state, and an operator
may have reset it.
"""

import asyncio
import random
import secrets
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.hosts.host_admission import AdmissionRequest, HostAdmission, admit
from taskrunner.domain.hosts.host_state import HostState, decode_state, encode_state
from taskrunner.runtime.batcher import Batcher
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.stores.base import Store
from taskrunner.stores.host_store import HostEdit, HostEntry

Answer = TypeVar("Answer")
Edit = Callable[[HostState], tuple[HostState, Answer]]

_BATCH = 500
_SPACING = 0.002
# In each round another consumer was faster; this many in a row are not by chance.
_MAX_ROUNDS = 100


@dataclass(slots=True)
class _Known:
    version: str | None
    state: HostState


class SharedHostStates:
    """Passes each state that is read or written on to `hosts`."""

    def __init__(self, store: Store, clock: Clock, settings: ConsumerSettings, hosts: HostStatsTable) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._host_settings = settings.host_settings
        self._hosts = hosts
        self._known: dict[str, _Known] = {}
        self._written: set[str] = set()
        self._token_prefix = secrets.token_hex(4)
        self._token_numbers = count()
        self._batcher: Batcher[tuple[str, Edit[Any], bool], Any] = Batcher(
            self._commit, limit=_BATCH, spacing=_SPACING
        )

    def change(self, host: str, edit: Edit[Answer], *, read: bool = False) -> "asyncio.Future[Answer]":
        """Apply `edit`, once or more often; the answer is that of the edit that was written.

        An edit that leaves the state as it is known here costs nothing. One that takes back what another
        process may have written has to `read` the state first. Raises `StoreUnavailable`.
        """
        return self._batcher.submit((host, edit, read))

    def admit(
        self, stats: HostStats, wanted: int, *, room: int, keep: int
    ) -> "asyncio.Future[HostAdmission]":
        """Ask for `wanted` attempts at a host and reserve those that are admitted.

        There are workers for `room` of them, and `keep` may wait in the backlog.
        """
        dice = random.random()
        limit = None if stats.applied_limit is None else stats.applied_limit.limit

        def edit(state: HostState) -> tuple[HostState, HostAdmission]:
            now = self._clock.now().timestamp()
            ask = AdmissionRequest(
                consumer=self._settings.name,
                wanted=wanted,
                room=room,
                held=stats.in_flight,
                lease_until=now + self._settings.lease,
                keep=keep,
            )
            state, admission = admit(state, limit, self._host_settings, ask, now=now, random=dice)
            # Here, since the next change of this host may be made before anybody reads the answer.
            stats.reserved = admission.admitted
            return state, admission

        return self.change(stats.host, edit)

    async def drain(self) -> None:
        """Wait until all changes are written or have failed."""
        await self._batcher.drain()

    async def close(self, patience: float) -> None:
        """Wait up to `patience` seconds for the last changes."""
        writing = asyncio.create_task(self.drain())
        await asyncio.wait({writing}, timeout=patience)
        await cancel_and_wait(writing)

    async def refresh(self, limit: int) -> int:
        """Read up to `limit` states and forget hosts that have none any more. Returns the number read."""
        self._written.clear()
        entries = await self._store.live_hosts(now=self._clock.now(), limit=limit)
        found = {entry.host: self._read(entry) for entry in entries if entry.host not in self._written}
        for host in [*self._known]:
            # What we wrote meanwhile may be newer than what was read.
            if host not in found and host not in self._written:
                self._learn(host, self._read(None))
                del self._known[host]
        for host, known in found.items():
            self._learn(host, known)
        return len(entries)

    async def _commit(self, group: Sequence[tuple[str, Edit[Any], bool]]) -> Sequence[Any]:
        answers: dict[int, Any] = {}
        by_host: dict[str, list[tuple[int, Edit[Any]]]] = {}
        for place, (host, edit, _) in enumerate(group):
            by_host.setdefault(host, []).append((place, edit))
        await self._read_first(by_host, {host for host, _, read in group if read})
        left = set(by_host)
        for _ in range(_MAX_ROUNDS):
            left = await self._write({host: by_host[host] for host in left}, answers)
            if not left:
                return [answers[place] for place in range(len(group))]
        raise StoreUnavailable(f"the states of {len(left)} hosts change too fast to be changed")

    async def _read_first(self, hosts: Iterable[str], asked_for: Container[str]) -> None:
        """The states of hosts that are closed, or that somebody asked to read."""
        now = self._clock.now().timestamp()
        reading = [host for host in hosts if host in asked_for or self._is_closed(host, now)]
        entries = await self._store.hosts(reading) if reading else ()
        for host, entry in zip(reading, entries, strict=True):
            self._learn(host, self._read(entry))

    def _is_closed(self, host: str, now: float) -> bool:
        known = self._known.get(host)
        return known is not None and known.state.closed_until(now) > now

    async def _write(
        self, changes: dict[str, list[tuple[int, Edit[Any]]]], answers: dict[int, Any]
    ) -> set[str]:
        """One round; returns the hosts where another consumer was faster."""
        edits: list[HostEdit] = []
        changed: list[HostState] = []
        for host, ordered in changes.items():
            known = self._known.get(host)
            before = HostState() if known is None else known.state
            state = before
            for place, edit in ordered:
                state, answers[place] = edit(state)
            if state != before:
                changed.append(state)
                edits.append(self._edit(host, known, state))
        if not edits:
            return set()
        changed_by_others: set[str] = set()
        written = await self._store.write_hosts(edits, now=self._clock.now())
        for entry, state, answer in zip((each.entry for each in edits), changed, written, strict=True):
            if answer.written:
                self._learn(entry.host, _Known(entry.version, state))
                self._written.add(entry.host)
            else:
                changed_by_others.add(entry.host)
                self._learn(entry.host, self._read(answer.current))
        return changed_by_others

    def _read(self, entry: HostEntry | None) -> _Known:
        if entry is None:
            return _Known(None, HostState())
        known = self._known.get(entry.host)
        if known is not None and known.version == entry.version:
            return known
        state = decode_state(entry.encoded)
        return _Known(entry.version, state.sanitized(self._host_settings, self._clock.now().timestamp()))

    def _edit(self, host: str, known: _Known | None, state: HostState) -> HostEdit:
        until = datetime.fromtimestamp(state.relevant_until, UTC)
        entry = HostEntry(
            host=host,
            version=f"{self._token_prefix}{next(self._token_numbers):x}",
            encoded=encode_state(state),
            until=until,
        )
        return HostEdit(entry=entry, expected=None if known is None else known.version)

    def _learn(self, host: str, known: _Known) -> None:
        self._known[host] = known
        self._hosts.set_state(host, known.state, self._clock.now().timestamp())
