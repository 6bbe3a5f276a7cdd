"""RoomMaker snoozes tasks that use up the prefetch of a queue, of slow hosts or of fairness keys.

Tasks of others may be behind them.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.fair_lines import FairLines, Key, cost, parts
from taskrunner.consumer.host_stats import HostStats
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.slow_hosts import due_times, slow_host_workers
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.hosts.host_admission import SLOW, wait_reason

# So often in a minute it is done as fast as possible. Then more slowly, since it costs as much as to run the
# tasks.
_FAST_TURNS, _FAST_AGAIN, _SPACING = 300, 60.0, 0.25
_KEYED = "tasks of other fairness keys may be behind it"
# This long after the last of the fast snoozes, what was behind them has come.
_COMING = 0.1


class RoomMaker:
    """`is_full` says whether a queue's prefetch is used up.

    Until `searching_until` tasks of other hosts may come at any moment; slow hosts give workers up for them.
    """

    def __init__(
        self, clock: Clock, settings: ConsumerSettings, backlog: Backlog, is_full: Callable[[str], bool]
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._backlog = backlog
        self._is_full = is_full
        # So many tasks may wait here for their hosts, so that there is room for tasks of others.
        self.most_kept = max(1, settings.held_per_queue // 3)
        self.searching_until = 0.0
        self._next = self._fast_again_from = 0.0
        self._fast_left = 0
        # Of each fairness key, the latest time for which one of its tasks was snoozed.
        self._last_dues: dict[Key, float] = {}

    @property
    def may_hide_others(self) -> bool:
        """Whether tasks of others may wait in the broker, behind those that are here."""
        return any(map(self._is_full, self._backlog.lines))

    def make_room(self, startable: int = 0) -> list[PendingSnooze]:
        """The snoozes. The broker sends tasks that are behind these only as deliveries are acknowledged.

        Of each queue at least `startable` tasks stay, and at least as many as may wait here.
        """
        now, snoozes = self._clock.monotonic(), list[PendingSnooze]()
        if now < self._next:
            return snoozes
        for queue, lines in self._backlog.lines.items():
            if not self._is_full(queue):
                continue
            most = max(self.most_kept, startable)
            if all(map(self._is_held, lines.hosts)):
                snoozes += self._snooze_hosts(lines, most)
            elif not any(isinstance(key, HostStats) for key in lines.keys):
                snoozes += self._snooze_keyed(lines, most)
        self._backlog.drop_empty()
        if snoozes:
            if now >= self._fast_again_from:
                self._fast_left, self._fast_again_from = _FAST_TURNS, now + _FAST_AGAIN
            if self._fast_left:
                self._fast_left -= 1
                self.searching_until = now + _COMING
            else:
                self._next = now + _SPACING
        return snoozes

    def _is_held(self, stats: HostStats) -> bool:
        """Whether its tasks may have to wait for more than a worker: it may turn out to be slow."""
        return stats.is_held(self._now()) or stats.is_silent

    def _snooze_hosts(self, lines: FairLines, most: int) -> list[PendingSnooze]:
        """Those of slow hosts, and of hosts that have not answered for so long that they may be slow."""
        hosts = dict.fromkeys(lines.hosts)
        slow = [stats for stats in hosts if stats.slow or stats.unmeasured]
        snoozes: list[PendingSnooze] = []
        for stats, keep in zip(slow, parts(most, len(slow)), strict=True):
            latest = lines.take_latest(stats, keep)
            dues, stats.last_due = self._dues(len(latest), keep, cost(stats) * len(slow), stats.last_due)
            why = wait_reason(stats.host, SLOW)
            snoozes += [replace(each, slow_host=stats) for each in snoozes_until(latest, dues, why)]
        return snoozes

    def _snooze_keyed(self, lines: FairLines, most: int) -> list[PendingSnooze]:
        """Those of each fairness key. When they shall return, nobody can say before a host is measured."""
        if any(stats.unmeasured for stats in lines.hosts):
            return []
        now = self._now()
        self._last_dues = {key: due for key, due in self._last_dues.items() if due > now}
        keys = [*lines.keys]
        snoozes: list[PendingSnooze] = []
        for key, keep in zip(keys, parts(most, len(keys)), strict=True):
            latest = lines.take_latest_of_key(key, keep)
            if latest:
                step = cost(latest[0].host_stats) * len(keys)
                dues, last = self._dues(len(latest), keep, step, self._last_dues.get(key, 0.0))
                self._last_dues[key] = last
                snoozes += snoozes_until(latest, dues, _KEYED)
        return snoozes

    def _dues(self, count: int, kept: int, cost: float, last: float) -> tuple[tuple[float, ...], float]:
        """When tasks come back that need so many seconds of a worker each, and the latest of these times."""
        settings = self._settings
        share = settings.host_settings.share
        pace = slow_host_workers(settings.workers, share, alone=False, crowded=False)
        return due_times(
            count, kept, cost / pace, last, settings.host_settings, now=self._now(), random=random.random()
        )

    def _now(self) -> float:
        return self._clock.now().timestamp()


def snoozes_until(waiting: Iterable[WaitingDelivery], dues: Iterable[float], why: str) -> list[PendingSnooze]:
    """Of each, until its due time in seconds since 1970."""
    return [
        PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
        for each, due in zip(waiting, dues, strict=True)
    ]
