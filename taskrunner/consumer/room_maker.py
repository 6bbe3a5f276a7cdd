"""RoomMaker snoozes tasks that use up the prefetch of a queue, of slow hosts or of fairness keys.

Tasks of others may be behind them.
"""

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.fair_lines import FairLines, cost
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.slow_hosts import due_times, slow_host_workers
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.domain.clock import Clock
from taskrunner.domain.hosts.host_admission import SLOW, wait_reason

# It is done as fast as possible for at most so long in a minute. Later more slowly, since it costs as much as
# to run the tasks.
_FAST, _FAST_AGAIN, _SPACING = 3.0, 60.0, 0.25
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
        self._next = self._fast_until = self._fast_again_from = 0.0

    def make_room(self) -> list[PendingSnooze]:
        """The snoozes. The broker sends tasks that are behind these only as deliveries are acknowledged."""
        now, snoozes = self._clock.monotonic(), list[PendingSnooze]()
        if now < self._next:
            return snoozes
        for queue, lines in self._backlog.lines.items():
            if not self._is_full(queue):
                continue
            if not lines.has_startable(self._now()):
                snoozes += self._snooze_latest(lines, only_slow=True)
            elif lines.are_keyed:
                snoozes += self._snooze_latest(lines, only_slow=False)
        self._backlog.drop_empty()
        if snoozes:
            if now >= self._fast_again_from:
                self._fast_until, self._fast_again_from = now + _FAST, now + _FAST_AGAIN
            if now < self._fast_until:
                self.searching_until = now + _COMING
            else:
                self._next = now + _SPACING
        return snoozes

    def _snooze_latest(self, lines: FairLines, *, only_slow: bool) -> list[PendingSnooze]:
        hosts = [stats for stats in dict.fromkeys(lines.hosts) if stats.slow or not only_slow]
        kept_each = max(1, self.most_kept // max(1, len(hosts)))
        share = self._settings.host_settings.share
        pace = slow_host_workers(self._settings.workers, share, alone=False, crowded=False)
        snoozes: list[PendingSnooze] = []
        for place, stats in enumerate(hosts):
            # With more hosts than tasks may be kept, those that came last keep none.
            keep = kept_each if place < self.most_kept else 0
            latest = lines.take_latest(stats, keep)
            dues, stats.last_due = due_times(
                len(latest),
                keep,
                cost(stats) * len(hosts) / pace,
                stats.last_due,
                self._settings.host_settings,
                now=self._now(),
                random=random.random(),
            )
            found = snoozes_until(latest, dues, wait_reason(stats.host, SLOW) if stats.slow else _KEYED)
            for each in found:
                each.slow_host = stats if stats.slow else None
            snoozes += found
        return snoozes

    def _now(self) -> float:
        return self._clock.now().timestamp()


def snoozes_until(waiting: Iterable[WaitingDelivery], dues: Iterable[float], why: str) -> list[PendingSnooze]:
    """Of each, until its due time in seconds since 1970."""
    return [
        PendingSnooze(each, why, datetime.fromtimestamp(due, UTC))
        for each, due in zip(waiting, dues, strict=True)
    ]
