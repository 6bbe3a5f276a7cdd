"""HostGate decides which of the waiting tasks may start now at their hosts; the others wait or are snoozed.

Hosts take turns by the time of workers that they need, see `HostLines`. While others wait, no host gets all
workers, and slow ones get the least. For hosts with limits or in trouble the gate asks the
shared host states, where all consumers share limits, circuit breakers and back-pressure.
"""

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_lines import HostLines
from taskrunner.consumer.host_stats import HostStats, HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.slow_hosts import due_times, slow_host_workers
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.hosts.host_admission import SLOW, Admission, wait_reason

# For this long after tasks of fast hosts had to wait for a worker, slow hosts give workers up.
_CROWDED = 0.5
# The share of the workers that a host may have while others wait: it may begin to hang at any moment.
_UNMEASURED_SHARE, _FAST_SHARE = 0.5, 0.75
# For this long after a second host was seen, the first one does not count as alone.
_NOT_ALONE = 60.0
# Slow hosts give workers up for at most so long in a minute only because others may wait behind their tasks.
_LOOKING, _LOOK_AGAIN = 3.0, 60.0
# This long after the last of these snoozes, what was behind them has come.
_LOOK_ENDS = 0.1
# Afterwards a queue is looked through more slowly, since that costs as much as to run a task.
_LATER_LOOKS = 0.25


@dataclass(slots=True)
class Admitted:
    """What becomes of a batch: `starting` may be claimed, `left` goes back to the backlog."""

    starting: list[WaitingDelivery] = field(default_factory=list)
    left: list[WaitingDelivery] = field(default_factory=list)
    snoozes: list[PendingSnooze] = field(default_factory=list)


class HostGate:
    """Takes from the backlog before every claim. `is_full` says whether a queue's prefetch is used up."""

    def __init__(
        self,
        clock: Clock,
        settings: ConsumerSettings,
        *,
        backlog: Backlog,
        hosts: HostStatsTable,
        states: SharedHostStates,
        watch: HostWatch,
        is_full: Callable[[str], bool],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._backlog = backlog
        self._hosts = hosts
        self._states = states
        self._watch = watch
        self._is_full = is_full
        self._host_settings = settings.host_settings
        # So many tasks may wait here for their hosts, so that there is room for tasks of others.
        self._most_kept = max(1, settings.held_per_queue // 3)
        self._reserved: set[HostStats] = set()
        self._crowded_until = self._alone_from = self._looking_until = self._look_again_from = 0.0
        # None, or one: the host of those without a host is None.
        self._last_host: list[HostStats | None] = []
        self._generation = hosts.generation
        self._asking: set[HostStats] = set()
        # Hosts of which the shared state keeps tasks in the backlog.
        self._kept: set[HostStats] = set()
        self._next_look = 0.0
        # Of the present round.
        self._workers = self._most_slow = self._slow_places = 0
        self._most_unmeasured = self._most_fast = 0.0
        self._moment = 0.0
        self._over: set[HostStats] = set()

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
        self._workers, self._moment = workers, self._now()
        self._most_unmeasured = max(1, _UNMEASURED_SHARE * workers)
        self._most_fast = max(1, _FAST_SHARE * workers)
        self._note_hosts()
        self._kept = {each for each in self._kept if each.waiting}
        self._most_slow = self._slow_workers()
        self._slow_places = self._most_slow - sum(each.workers for each in self._hosts.slow)
        taken = self._backlog.take(room, self._may_start_fairly)
        if len(self._over) == 1 and len(taken) < room:
            # Of nobody else a task waits that may start.
            taken += self._backlog.take(room - len(taken), self._may_start)
        self._over.clear()
        if self._hosts.slow and any(map(self._has_startable, self._backlog.lines.values())):
            now = self._clock.monotonic()
            self._crowded_until, self._alone_from = now + _CROWDED, now + _NOT_ALONE
        for stats in self._asking:
            taken += self._backlog.take_host(stats)
        self._asking.clear()
        return taken

    def make_room(self) -> list[PendingSnooze]:
        """Snooze tasks of queues whose prefetch is used up by tasks that wait for their hosts.

        Tasks of other hosts may be behind them. The broker sends these only as deliveries are acknowledged.
        """
        now, snoozes = self._clock.monotonic(), list[PendingSnooze]()
        if now < self._next_look:
            return snoozes
        for queue, lines in self._backlog.lines.items():
            if not self._has_startable(lines) and self._is_full(queue):
                snoozes += self._snooze_latest(lines)
        self._backlog.drop_empty()
        if snoozes:
            if now >= self._look_again_from:
                self._looking_until, self._look_again_from = now + _LOOKING, now + _LOOK_AGAIN
            if now < self._looking_until:
                self._crowded_until = max(self._crowded_until, now + _LOOK_ENDS)
            else:
                self._next_look = now + _LATER_LOOKS
        return snoozes

    async def admit(self, batch: Sequence[WaitingDelivery], room: int = 0) -> Admitted:
        """Ask the shared host states, where they decide, about a batch that was taken. The others start.

        There is `room` for hosts that had no turn in it. Raises `StoreUnavailable`.
        """
        admitted = Admitted()
        asking: dict[HostStats, list[WaitingDelivery]] = {}
        for waiting in batch:
            stats = waiting.host_stats
            if stats is None or not stats.is_shared:
                admitted.starting.append(waiting)
            else:
                asking.setdefault(stats, []).append(waiting)
        if asking:
            await self._ask(asking, admitted, room)
        return admitted

    def end_batch(self) -> None:
        """Release what was reserved for deliveries that were not claimed."""
        for stats in self._reserved:
            if stats.reserved:
                stats.reserved = 0
                self._watch.write_places(stats)
        self._reserved.clear()

    def _may_start(self, stats: HostStats | None) -> bool:
        """Whether one more attempt may start at a host, as far as this consumer knows; reserves its place."""
        if stats is None:
            return True
        if stats.slow:
            if self._slow_places <= 0:
                return False
        elif stats.unmeasured and stats.workers >= self._most_slow:
            return False  # it may turn out to be slow
        if stats.applied_limit is not None or stats.state is not None:
            if stats.waits(self._moment):
                return False
            self._asking.add(stats)
        if stats.slow:
            self._slow_places -= 1
        if not stats.reserved:
            self._reserved.add(stats)
        stats.reserved += 1
        return True

    def _may_start_fairly(self, stats: HostStats | None) -> bool:
        """The same, within the share of the workers that no host may exceed while others wait."""
        if stats is not None:
            most = self._most_unmeasured if stats.unmeasured else self._most_fast
            if stats.under_way + stats.reserved >= most:
                self._over.add(stats)
                return False
        return self._may_start(stats)

    def _note_hosts(self) -> None:
        """Note whether there is another host than the one that was seen last."""
        for lines in self._backlog.lines.values():
            for stats in lines.hosts:
                if not self._last_host or self._last_host[0] is not stats:
                    if self._last_host:
                        self._alone_from = self._clock.monotonic() + _NOT_ALONE
                    self._last_host = [stats]
                    return

    def _has_startable(self, lines: HostLines) -> bool:
        """Whether tasks wait that lack a worker only."""
        return any(stats is None or not stats.is_held(self._moment) for stats in lines.hosts)

    def _slow_workers(self) -> int:
        now = self._clock.monotonic()
        crowded = now < self._crowded_until
        alone = now >= self._alone_from and not crowded
        return slow_host_workers(self._workers, self._host_settings.share, alone=alone, crowded=crowded)

    def _snooze_latest(self, lines: HostLines) -> list[PendingSnooze]:
        hosts = [stats for stats in lines.hosts if stats is not None and stats.slow]
        kept_each = max(1, self._most_kept // max(1, len(hosts)))
        pace = slow_host_workers(
            self._settings.workers, self._host_settings.share, alone=False, crowded=False
        )
        snoozes: list[PendingSnooze] = []
        for place, stats in enumerate(hosts):
            # With more slow hosts than tasks may be kept, those that came last keep none.
            keep = kept_each if place < self._most_kept else 0
            latest = lines.take_latest(stats, keep)
            dues, stats.last_due = due_times(
                len(latest),
                keep,
                stats.mean_time * len(hosts) / pace,
                stats.last_due,
                self._host_settings,
                now=self._now(),
                random=random.random(),
            )
            stats.put_off.extend((*each.key, due) for each, due in zip(latest, dues, strict=True))
            snoozes += _snoozes(latest, dues, wait_reason(stats.host, SLOW))
        return snoozes

    async def _ask(
        self, asking: dict[HostStats, list[WaitingDelivery]], admitted: Admitted, room: int
    ) -> None:
        asked: list[tuple[HostStats, list[WaitingDelivery], asyncio.Future[Admission]]] = []
        keep = self._most_kept
        for stats, waiting in asking.items():
            most = min(len(waiting), stats.reserved or room)
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
        self, stats: HostStats, waiting: list[WaitingDelivery], admission: Admission, admitted: Admitted
    ) -> None:
        stats.queued_here, stats.ask_again_at = admission.kept, admission.ask_again_at
        (self._kept.add if admission.kept else self._kept.discard)(stats)
        first = len(waiting) - len(admission.wait_until)
        admitted.starting += waiting[: admission.admitted]
        admitted.left += waiting[admission.admitted : first]
        why = wait_reason(stats.host, admission.reason)
        admitted.snoozes += _snoozes(waiting[first:], admission.wait_until, why)

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _snoozes(waiting: Iterable[WaitingDelivery], dues: Iterable[float], why: str) -> list[PendingSnooze]:
    return [
        PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
        for each, due in zip(waiting, dues, strict=True)
    ]
