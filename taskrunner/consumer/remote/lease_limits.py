"""Lease limits: the concurrency and the rate of remote executors, shared by all processes that lease.

Each lease has a slot of its own in the state of the executor as a host. So whichever process hears of the end
of an attempt gives its slot back, twice is as good as once, and a slot that nobody gives back is free when
its lease is over.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import fmean

from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.executors.executor_limits import host_name_of, limit_of
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.executors.remote_lease import LeaseState, LeaseToken, slot_of
from taskrunner.domain.hosts.host_admission import AdmissionRequest, HostAdmission, admit
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_state import HostState
from taskrunner.domain.tasks.record import Record
from taskrunner.stores.base import Store

# An attempt: the id of the task and the number.
Key = tuple[str, int]
# In the state while it is decided who starts.
_DECIDING = "deciding"


@dataclass(slots=True)
class _News:
    """Of one executor: which leases are over, and how long attempts took."""

    over: list[Key] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)


class LeaseLimits:
    """An executor without limits costs one look into a dictionary."""

    def __init__(
        self, store: Store, clock: Clock, executors: ExecutorSource, settings: ConsumerSettings
    ) -> None:
        self._states = SharedHostStates(store, clock, settings, HostStatsTable())
        self._clock = clock
        self._executors = executors
        self._settings = settings

    def limit_of(self, name: str) -> HostLimit | None:
        """The limit in force of an executor."""
        executor = (self._executors.known or {}).get(name)
        return None if executor is None else limit_of(executor)

    async def admit(
        self, name: str, limit: HostLimit, keys: Sequence[Key], *, room: int, keep: int
    ) -> HostAdmission:
        """Who of these may start; `room` of them have a worker, `keep` may be asked for again soon.

        Raises `StoreUnavailable`.
        """
        dice, until = random.random(), self._now() + self._settings.lease

        def edit(state: HostState) -> tuple[HostState, HostAdmission]:
            now = self._now()
            ask = AdmissionRequest(
                consumer=_DECIDING, wanted=len(keys), room=room, held=0, lease_until=until, keep=keep
            )
            state, admission = admit(state, limit, self._settings.host_settings, ask, now=now, random=dice)
            if limit.concurrency is not None:
                state = state.with_slots(_DECIDING, 0, now=now, until=until)
                state = state.with_slot_each(map(_slot, keys[: admission.admitted]), until=until)
            return state, admission

        return await self._states.change(host_name_of(name), edit)

    async def hold(self, leases: Iterable[tuple[Record, LeaseToken]]) -> None:
        """Hold the slots of these leases for one lease more.

        Call it before the leases are renewed: a slot that is written after the end of its attempt would be
        given back by nobody.
        """
        found: dict[str, list[str]] = {}
        for record, token in leases:
            name = record.task.executor
            if name is not None and self._are_counted(name):
                found.setdefault(name, []).append(slot_of(record.task.id, token.attempt))
        until = self._now() + self._settings.lease
        changes = [
            self._states.change(host_name_of(name), partial(_prolonged, slots=slots, until=until))
            for name, slots in found.items()
        ]
        with suppress(OutsideError):
            await asyncio.gather(*changes)

    def heed(self, leases: Iterable[tuple[Record | None, str, LeaseState]]) -> None:
        """Give back the slots of leases that are over, by record and token; returns at once."""
        found: dict[str, _News] = {}
        for record, text, state in leases:
            name = None if record is None else record.task.executor
            if record is None or name is None or not self._are_counted(name):
                continue
            if (token := LeaseToken.read(text)) is None:
                continue
            key = record.task.id, token.attempt
            if state in (LeaseState.ENDED, LeaseState.CANCELLED):
                found.setdefault(name, _News()).over.append(key)
                if state is LeaseState.ENDED:
                    found[name].elapsed.append(self._now() - record.attempts[-1].started_at.timestamp())
        for name, news in found.items():
            self._change(name, news.over, fmean(news.elapsed) if news.elapsed else None)

    def release(self, name: str, keys: Sequence[Key]) -> None:
        """Give the slots of attempts back that were not leased after all; returns at once."""
        if self._are_counted(name):
            self._change(name, keys)

    async def close(self, patience: float) -> None:
        """Wait up to `patience` seconds until what was released is written."""
        await self._states.close(patience)

    def _are_counted(self, name: str) -> bool:
        limit = self.limit_of(name)
        return limit is not None and limit.concurrency is not None

    def _change(self, name: str, over: Sequence[Key], elapsed: float | None = None) -> None:
        """A change that the store cannot take is dropped: the slots are free when the leases are over."""
        releasing = {*map(_slot, over)}

        def edit(state: HostState) -> tuple[HostState, None]:
            return state.with_mean(elapsed).without_slots(releasing), None

        # Another process may have written the slots, and this one know of none.
        self._states.change(host_name_of(name), edit, read=True).add_done_callback(_heed)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _slot(key: Key) -> str:
    return slot_of(*key)


def _prolonged(state: HostState, *, slots: Sequence[str], until: float) -> tuple[HostState, None]:
    return state.with_slot_each(slots, until=until), None


def _heed(changed: "asyncio.Future[None]") -> None:
    if not changed.cancelled() and not isinstance(changed.exception(), OutsideError):
        changed.result()
