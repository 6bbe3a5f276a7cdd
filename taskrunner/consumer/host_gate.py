"""HostGate decides which of the delivered tasks may start now at their hosts; the others wait or are snoozed.

An unrestricted host costs one look into a dictionary. For the others the gate asks the shared host states,
where all consumers share limits, circuit breakers and back-pressure, and keeps slow hosts from taking all of
this consumer's workers.
"""

import asyncio
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from taskrunner.consumer.backlog import WaitingDelivery
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.slow_hosts import overflow, slow_host_workers
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.domain.clock import Clock
from taskrunner.domain.host_admission import SLOW, Admission, wait_reason

# For this long after a task had to wait, the claimer looks further into the backlog than it has room.
_LOOK_FURTHER = 0.5
# At most this many tasks wait in the backlog for their hosts, so that it has room for other tasks.
_MAX_QUEUED_HERE = 100
# For this long after a second host was seen, the first one does not count as alone.
_NOT_ALONE = 60.0


@dataclass(slots=True)
class Admitted:
    """What becomes of a batch: `starting` may be claimed, `left` goes back to the backlog.

    `blocked` of those left wait for their hosts and not for a worker. While the gate decides, it counts the
    `room` for attempts and the `keep` places in the backlog that it has still to give away.
    """

    room: int
    keep: int = _MAX_QUEUED_HERE
    starting: list[WaitingDelivery] = field(default_factory=list)
    left: list[WaitingDelivery] = field(default_factory=list)
    snoozes: list[PendingSnooze] = field(default_factory=list)
    blocked: int = 0

    def snooze(self, waiting: Iterable[WaitingDelivery], dues: Iterable[float], why: str) -> None:
        self.snoozes += [
            PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
            for each, due in zip(waiting, dues, strict=True)
        ]


class HostGate:
    """Asked before every claim."""

    def __init__(
        self,
        clock: Clock,
        settings: ConsumerSettings,
        *,
        hosts: HostStatsTable,
        states: SharedHostStates,
        watch: HostWatch,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._hosts = hosts
        self._states = states
        self._watch = watch
        self._host_settings = settings.host_settings
        self._reserved: list[HostStats] = []
        self._look_further_until = self._crowded_until = self._alone_from = 0.0
        self._ask_again_at = math.inf
        self._last_host: HostStats | None = None

    @property
    def looks_further(self) -> bool:
        """Whether the claimer should look at more of the backlog than it has room for."""
        return self._clock.monotonic() < self._look_further_until

    @property
    def pause(self) -> float:
        """Seconds until a task that waits in the backlog for its host may start; infinite if none does."""
        return max(0.0, self._ask_again_at - self._now())

    @property
    def has_slow_attempts(self) -> bool:
        """Whether slow hosts occupy workers: tasks of other hosts may then wait unseen behind theirs."""
        return any(stats.occupied for stats in self._hosts.slow)

    async def admit(self, batch: Sequence[WaitingDelivery], room: int) -> Admitted:
        """Decide for a batch; `room` is the number of free workers. Raises `StoreUnavailable`."""
        # Only between batches: attempts are counted on the stats that their deliveries refer to.
        self._hosts.drop_idle()
        free: list[WaitingDelivery] = []
        asking: dict[HostStats, list[WaitingDelivery]] = {}
        for waiting in batch:
            stats = waiting.host_stats = self._hosts.of(waiting.envelope.task)
            if stats is None:
                free.append(waiting)
                continue
            if stats is not self._last_host:
                self._note_host(stats)
            if stats.unrestricted:
                free.append(waiting)
            else:
                asking.setdefault(stats, []).append(waiting)
        if not asking:
            return Admitted(room=0, starting=free[:room], left=free[room:])
        asking_room = room
        if len(batch) > room and free:
            asking_room = min(room, max(1, round(room * (len(batch) - len(free)) / len(batch))))
        admitted = Admitted(room=max(asking_room, room - len(free)))
        await self._ask(asking, admitted)
        admitted.starting += free[: max(0, room - len(admitted.starting))]
        self._note_rest(admitted, batch, room)
        return admitted

    def end_batch(self) -> None:
        """Release what was reserved for admitted deliveries that were not claimed."""
        for stats in self._reserved:
            if stats.reserved:
                stats.reserved = 0
                self._watch.write_places(stats)
        self._reserved.clear()

    def _note_rest(self, admitted: Admitted, batch: Sequence[WaitingDelivery], room: int) -> None:
        now = self._clock.monotonic()
        if admitted.snoozes or admitted.keep < _MAX_QUEUED_HERE or len(batch) > room:
            self._look_further_until = now + _LOOK_FURTHER
        gone = {*admitted.starting, *(snooze.waiting for snooze in admitted.snoozes)}
        admitted.left = left = [waiting for waiting in batch if waiting not in gone]
        admitted.blocked = sum(
            each.host_stats is not None and not each.host_stats.unrestricted for each in left
        )
        if admitted.blocked < len(left):
            self._crowded_until = now + _LOOK_FURTHER

    def _note_host(self, stats: HostStats) -> None:
        if self._last_host is not None:
            self._alone_from = self._clock.monotonic() + _NOT_ALONE
        self._last_host = stats

    async def _ask(self, asking: dict[HostStats, list[WaitingDelivery]], admitted: Admitted) -> None:
        shared: list[tuple[HostStats, list[WaitingDelivery], asyncio.Future[Admission]]] = []
        self._ask_again_at = math.inf
        for stats, waiting in asking.items():
            if stats.is_shared and len(waiting) <= stats.queued_here and self._now() < stats.ask_again_at:
                # The same tasks as last time, and their time has not come.
                admitted.keep -= len(waiting)
                self._ask_again_at = min(self._ask_again_at, stats.ask_again_at)
                continue
            workers = self._free_workers(stats)
            # The next host gets what this one leaves, whatever the answer will be.
            most = min(len(waiting), workers, admitted.room)
            admitted.room -= most
            self._reserved.append(stats)
            if stats.is_shared:
                admission = self._states.admit(stats, len(waiting), room=most, keep=max(0, admitted.keep))
                shared.append((stats, waiting, admission))
                admitted.keep -= min(stats.queued_here, len(waiting))
            else:
                stats.reserved = most
                admitted.starting += waiting[:most]
                self._overflow(stats, waiting[workers:], admitted)
        # Wait for all, even when one has failed: nobody would release a place that is taken later.
        await asyncio.gather(*(admission for _, _, admission in shared), return_exceptions=True)
        for stats, waiting, admission in shared:
            self._apply_admission(stats, waiting, admission.result(), admitted)

    def _apply_admission(
        self, stats: HostStats, waiting: list[WaitingDelivery], admission: Admission, admitted: Admitted
    ) -> None:
        stats.queued_here, stats.ask_again_at = admission.kept, admission.ask_again_at
        admitted.keep -= admission.kept
        if admission.kept:
            self._ask_again_at = min(self._ask_again_at, admission.ask_again_at)
        admitted.starting += waiting[: admission.admitted]
        first = len(waiting) - len(admission.wait_until)
        self._overflow(stats, waiting[admission.admitted : first - admission.kept], admitted)
        admitted.snooze(waiting[first:], admission.wait_until, wait_reason(stats.host, admission.reason))

    def _free_workers(self, stats: HostStats) -> int:
        """How many more workers a host may have here, apart from its shared limits."""
        if stats.slow:
            return max(0, self._slow_workers() - sum(each.occupied for each in self._hosts.slow))
        if stats.unmeasured:
            return max(0, self._slow_workers() - stats.occupied)
        return self._settings.workers

    def _slow_workers(self) -> int:
        now = self._clock.monotonic()
        return slow_host_workers(
            self._settings.workers,
            self._host_settings.share,
            alone=now >= self._alone_from,
            crowded=now < self._crowded_until,
        )

    def _overflow(self, stats: HostStats, waiting: Sequence[WaitingDelivery], admitted: Admitted) -> None:
        """Queue up a slow host's tasks that get no worker here."""
        if not stats.slow or not waiting:
            return
        queued = overflow(
            len(waiting),
            stats.mean_time,
            self._slow_workers(),
            stats.last_due,
            self._host_settings,
            keep=admitted.keep,
            now=self._now(),
            random=random.random(),
        )
        stats.last_due = queued.last_due
        admitted.keep -= queued.queued_here
        why = wait_reason(stats.host, SLOW)
        admitted.snooze(waiting[queued.queued_here :], queued.dues, why)

    def _now(self) -> float:
        return self._clock.now().timestamp()
