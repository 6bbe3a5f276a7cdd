"""HostGate decides which of the waiting tasks may start now at their hosts; the others wait or are snoozed.

Hosts take turns by the time of workers that they need, see `FairLines`. While others wait, no host gets all
workers, and slow ones get the least, see `HostRound`. For hosts with limits or in trouble the gate asks the
shared host states, where all consumers share limits, circuit breakers and back-pressure.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_round import HostRound
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.room_maker import RoomMaker, snoozes_until
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.slow_hosts import slow_host_workers
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.hosts.host_admission import HostAdmission, wait_reason

# For this long after tasks of fast hosts had to wait for a worker, slow hosts give workers up.
_CROWDED = 0.5
# Then a host of which nothing is known has the workers of all slow ones divided by this: there may be many.
_NEW_OF_SLOW = 5
# For this long after a second host was seen, the first one does not count as alone.
_NOT_ALONE = 60.0


@dataclass(slots=True)
class Admitted:
    """What becomes of a batch: `starting` may be claimed, `left` goes back to the backlog."""

    starting: list[WaitingDelivery] = field(default_factory=list)
    left: list[WaitingDelivery] = field(default_factory=list)
    snoozes: list[PendingSnooze] = field(default_factory=list)


class HostGate:
    """Takes from the backlog before every claim."""

    def __init__(
        self,
        clock: Clock,
        settings: ConsumerSettings,
        *,
        backlog: Backlog,
        hosts: HostStatsTable,
        states: SharedHostStates,
        watch: HostWatch,
        room_maker: RoomMaker,
    ) -> None:
        self._clock = clock
        self._share = settings.host_settings.share
        self._backlog = backlog
        self._hosts = hosts
        self._states = states
        self._watch = watch
        self._room_maker = room_maker
        # Where places are reserved for what is about to be claimed.
        self._reserved: set[HostStats] = set()
        # Of these, all that waits was taken, since the shared state was to be asked.
        self._asking: set[HostStats] = set()
        self._crowded_until = self._alone_from = 0.0
        self._last_host: HostStats | None = None
        self._generation = hosts.generation
        # Hosts of which the shared state keeps tasks in the backlog.
        self._kept: set[HostStats] = set()

    @property
    def pause(self) -> float:
        """Seconds until a host may be asked again for which tasks wait in the backlog; infinite if none is.

        One that may be asked now was passed over in the last round, for want of workers.
        """
        now = self._now()
        waits = (each.ask_again_at - now for each in self._kept if each.waiting and each.ask_again_at > now)
        return min(waits, default=math.inf)

    def take(self, room: int, workers: int) -> list[WaitingDelivery]:
        """Up to `room` whose turn it is, of `workers`, and all others of hosts that are to be asked."""
        # Only between batches: attempts are counted on the stats that their deliveries refer to.
        self._hosts.drop_idle()
        if self._generation != self._hosts.generation:
            self._generation = self._hosts.generation
            self._backlog.regroup()
        self._note_hosts()
        self._kept = {each for each in self._kept if each.waiting}
        this_round = self._new_round(workers)
        taken = self._backlog.take(room, this_round.may_start_fairly)
        if len(this_round.over) == 1 and len(taken) < room:
            # Of nobody else a task waits that may start.
            taken += self._backlog.take(room - len(taken), this_round.may_start)
        self._reserved |= this_round.started
        if self._hosts.slow and any(
            lines.has_startable(this_round.now) for lines in self._backlog.lines.values()
        ):
            now = self._clock.monotonic()
            self._crowded_until, self._alone_from = now + _CROWDED, now + _NOT_ALONE
        self._asking = this_round.asking
        for stats in self._asking:
            taken += self._backlog.take_host(stats)
        return taken

    async def admit(self, batch: Sequence[WaitingDelivery], room: int = 0) -> Admitted:
        """Ask the shared host states, where they decide, about a batch that was taken. The others start.

        There is `room` for hosts that had no turn in it. Raises `StoreUnavailable`.
        """
        admitted = Admitted()
        by_host: dict[HostStats, list[WaitingDelivery]] = {}
        asking = self._asking
        for waiting in batch:
            stats = waiting.host_stats
            if stats.applied_limit is not None or stats.state is not None or stats in asking:
                by_host.setdefault(stats, []).append(waiting)
            else:
                admitted.starting.append(waiting)
        if by_host:
            await self._ask(by_host, admitted, room)
        return admitted

    def end_batch(self) -> None:
        """Release what was reserved for deliveries that were not claimed."""
        for stats in self._reserved:
            if stats.reserved:
                stats.reserved = 0
                self._watch.write_places(stats)
        self._reserved.clear()

    def _new_round(self, workers: int) -> HostRound:
        now = self._clock.monotonic()
        crowded = now < max(self._crowded_until, self._room_maker.searching_until)
        alone = now >= self._alone_from and not crowded
        most_slow = slow_host_workers(workers, self._share, alone=alone, crowded=crowded)
        most_each = slow_host_workers(workers, self._share, alone=False, crowded=False)
        most_silent = max(1, most_slow // _NEW_OF_SLOW) if crowded and self._share < 1 else most_slow
        hides_others = self._room_maker.may_hide_others
        return HostRound(
            now=self._now(),
            workers=workers,
            most_fast=most_each if hides_others and not alone else math.inf,
            most_new=most_each if hides_others and not crowded else most_silent,
            most_silent=most_silent,
            slow_places=most_slow - sum(each.workers for each in self._hosts.slow),
        )

    def _note_hosts(self) -> None:
        """Note whether there is another host than the one that was seen last."""
        for lines in self._backlog.lines.values():
            for stats in lines.hosts:
                if self._last_host is not stats:
                    if self._last_host is not None:
                        self._alone_from = self._clock.monotonic() + _NOT_ALONE
                    self._last_host = stats
                    return

    async def _ask(
        self, by_host: dict[HostStats, list[WaitingDelivery]], admitted: Admitted, room: int
    ) -> None:
        asked: list[tuple[HostStats, list[WaitingDelivery], asyncio.Future[HostAdmission]]] = []
        keep = self._room_maker.most_kept
        for stats, waiting in by_host.items():
            most = min(len(waiting), stats.reserved or room)
            if not stats.is_shared:
                # Its limit was lifted since all that waits there was taken.
                admitted.starting += waiting[:most]
                admitted.left += waiting[most:]
                continue
            stats.reserved = 0
            self._reserved.add(stats)
            asked.append(
                (stats, waiting, self._states.admit(stats, len(waiting), room=most, keep=max(0, keep)))
            )
            keep -= min(stats.queued_here, len(waiting))
        # Wait for all, even when one has failed: nobody would release a place that is taken later.
        await asyncio.gather(*(admission for _, _, admission in asked), return_exceptions=True)
        for stats, waiting, admission in asked:
            self._apply_admission(stats, waiting, admission.result(), admitted)

    def _apply_admission(
        self, stats: HostStats, waiting: list[WaitingDelivery], admission: HostAdmission, admitted: Admitted
    ) -> None:
        stats.queued_here, stats.ask_again_at = admission.kept, admission.ask_again_at
        (self._kept.add if admission.kept else self._kept.discard)(stats)
        first = len(waiting) - len(admission.wait_until)
        admitted.starting += waiting[: admission.admitted]
        admitted.left += waiting[admission.admitted : first]
        why = wait_reason(stats.host, admission.reason)
        admitted.snoozes += snoozes_until(waiting[first:], admission.wait_until, why)

    def _now(self) -> float:
        return self._clock.now().timestamp()
