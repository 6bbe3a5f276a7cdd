"""Autoscaler keeps as many workers as the load needs, and has those replaced that hang."""

import time
from collections import deque
from typing import Any

from taskrunner.brokers.base import Broker
from taskrunner.consumer.consumer import Consumer
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import Events, WorkersScaled
from taskrunner.domain.fleet import scaling
from taskrunner.domain.fleet.scaling import (
    Load,
    ScalingDecision,
    ScalingHistory,
    ScalingKind,
    ScalingSettings,
)
from taskrunner.runtime.service import Service

# What operators see of the past; more would make each report longer.
_CHANGES_KEPT = 20


class Autoscaler(Service):
    """One turn: measure, plan, resize. `interval` is seconds."""

    def __init__(
        self, consumer: Consumer, broker: Broker, events: Events, bounds: ScalingSettings, *, interval: float
    ) -> None:
        super().__init__("autoscaler", events)
        self._consumer = consumer
        self._broker = broker
        self._bounds = bounds
        self._interval = interval
        self._history = ScalingHistory(target=bounds.min_workers)
        self._last_decision: ScalingDecision | None = None
        self._decisions = dict.fromkeys(ScalingKind, 0)
        # The newest changes, each with the time of the monotonic clock.
        self.changes: deque[tuple[float, WorkersScaled]] = deque(maxlen=_CHANGES_KEPT)

    def describe(self) -> dict[str, Any]:
        """The workers as `/stats` shows them."""
        decision = self._last_decision
        return {
            **self._consumer.pool.describe(),
            "min": self._bounds.min_workers,
            "max": self._bounds.max_workers,
            "target": self._history.target,
            "wanted": None if decision is None else decision.needed,
            "last_decision": None if decision is None else decision.reason,
            "decisions": {kind.value: count for kind, count in self._decisions.items()},
            "backlog": len(self._consumer.backlog),
        }

    async def start(self) -> None:
        self._consumer.pool.resize(self._bounds.min_workers)
        await super().start()

    async def turn(self) -> float:
        pool = self._consumer.pool
        pool.check()
        if not self._consumer.is_consuming:
            return self._interval  # before the start and during the shutdown the size stays
        load = Load(
            depth=await self._depth(),
            backlog=len(self._consumer.backlog),
            busy=pool.busy,
            task_time=pool.task_time,
        )
        decision = scaling.decide(self._bounds, load, self._history, time.monotonic())
        self._history = decision.history
        self._last_decision = decision
        self._decisions[decision.kind] += 1
        if decision.target != pool.total:
            self._scale(decision)
        return self._interval

    def _scale(self, decision: ScalingDecision) -> None:
        pool = self._consumer.pool
        before = pool.total
        pool.resize(decision.target)
        scaled = WorkersScaled(before=before, after=decision.target, reason=decision.reason)
        self.changes.append((time.monotonic(), scaled))
        self._events.emit(scaled)
        self._consumer.wake()

    async def _depth(self) -> int:
        try:
            depths = await self._broker.depths()
        except BrokerUnavailable:
            return 0  # nothing new comes, and what was delivered is in the backlog
        return sum(depths.get(queue, 0) for queue in self._consumer.open_queues)
