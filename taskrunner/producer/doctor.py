"""The doctor compares store and broker, and repairs contradictions on request.

Each repair is an atomic, conditional step of the store, or goes through the relay's fences. So repairs are
safe beside a running system, and safe to repeat.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.tasks.record import BY_BROKER
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value
from taskrunner.producer.relay import Relay
from taskrunner.stores.base import Store
from taskrunner.stores.inspection_store import Flaw, Flawed, Overdue

# One step of the inspection; Redis does nothing else for some 5 ms.
_PAGE = 500
# Overdue tasks beyond this number are not counted.
_MAX_OVERDUE = 10_000
# A limit, in case a producer is faster than the relay.
_MAX_RELAY_TURNS = 10_000
_EXAMPLES = 3
# Seconds. Clocks kept by NTP are some ms apart.
_MAX_CLOCK_SKEW = 1.0

_FLAWS = {
    Flaw.NOT_DUE: (
        "live tasks that are not in the due index, so that nothing will happen to them",
        "makes them due",
    ),
    Flaw.DUE_THOUGH_ENDED: ("finished tasks in the due index", "removes them from it"),
    Flaw.MISFILED: ("tasks whose index entries do not match their status", "rebuilds the entries"),
    Flaw.NO_RECORD: ("index entries or parts of tasks that have no record", "removes them"),
}
_TO_RELAY = {
    "dead_lease": ("running tasks whose lease is over", "ends these attempts, so that the next ones follow"),
    "forgotten": (
        "queued tasks whose message the broker has lost (their queue is empty)",
        "publishes them again",
    ),
    "unattended": ("queued tasks that no relay has checked in time", "checks them"),
    "unpublished": ("due tasks that were not published", "publishes them"),
}


class Finding(Value):
    """One kind of problem: `message` describes it, `count` is the number of cases.

    `remedy` is what a fix does if `repairable`, else who can help. `fixed` is the number of repaired cases,
    None if no repair was tried. A `notice` needs no action.
    """

    kind: str
    message: str
    remedy: str
    count: int = 1
    examples: Sequence[str] = ()
    repairable: bool = False
    fixed: int | None = None
    notice: bool = False

    @property
    def is_left(self) -> bool:
        """Whether a problem remains."""
        return not self.notice and (self.fixed is None or self.fixed < self.count)


class DoctorSettings(Value):
    """The relay's hold, the consumers' lease and the retention of finished tasks, in seconds.

    `fix`: whether to repair.
    """

    hold: float
    lease: float
    keep: float
    fix: bool


class Doctor:
    """Store and broker are connected; `broker` is None if it cannot be reached."""

    def __init__(
        self, store: Store, broker: Broker | None, relay: Relay, clock: Clock, settings: DoctorSettings
    ) -> None:
        self._store = store
        self._broker = broker
        self._relay = relay
        self._clock = clock
        self._settings = settings
        self._made_due = False
        self.looked = 0

    async def examine(self) -> list[Finding]:
        """Run all checks, in order. Raises `StoreUnavailable`."""
        # Taken first: tasks that the inspection makes due, however long it takes, are not overdue.
        before = self._clock.now() - timedelta(seconds=self._settings.hold)
        findings = [*self._store_settings(), *await self._clocks(), *await self._broker_health()]
        findings += await self._inspect()
        depths = await self._depths()
        findings += await self._overdue(before, depths)
        if depths is not None:
            findings += await self._surplus(depths)
        return [*findings, *await self._policies()]

    def _store_settings(self) -> list[Finding]:
        warnings = self._store.status().warnings
        return [
            Finding(kind="store_settings", message=warning, remedy="change the settings of the store")
            for warning in warnings
        ]

    async def _clocks(self) -> list[Finding]:
        began = self._clock.now()
        theirs = await self._store.time()
        ended = self._clock.now()
        if theirs is None:
            return []
        # The store read its clock between our two readings.
        ahead = (theirs - ended).total_seconds()
        behind = (began - theirs).total_seconds()
        if max(ahead, behind) <= _MAX_CLOCK_SKEW:
            return []
        apart = f"{ahead:.1f} s ahead of" if ahead > 0 else f"{behind:.1f} s behind"
        message = f"the clock of {self._store.name} is {apart} ours"
        return [
            Finding(
                kind="clock_skew", message=message, remedy="synchronise the clocks of all machines by NTP"
            )
        ]

    async def _broker_health(self) -> list[Finding]:
        if self._broker is None:
            return []
        warnings = self._broker.status().warnings
        found = [
            Finding(kind="broker_version", message=each, remedy="choose another version of the broker")
            for each in warnings
        ]
        try:
            await self._broker.try_publishing()
        except BrokerUnavailable as exc:
            remedy = "see its alarms: memory, disk (rabbitmq-diagnostics alarms)"
            found.append(Finding(kind="broker_alarm", message=str(exc), remedy=remedy))
        return found

    async def _inspect(self) -> list[Finding]:
        """All records and indexes, a page at a time; only counts and examples are kept."""
        counts: Counter[Flaw] = Counter()
        fixed: Counter[Flaw] = Counter()
        examples: dict[Flaw, list[str]] = defaultdict(list)
        cursor: str | None = None
        while True:
            page = await self._store.inspect(cursor=cursor, limit=_PAGE)
            self.looked += page.looked
            counts.update(each.flaw for each in page.flawed)
            for each in page.flawed:
                if len(examples[each.flaw]) < _EXAMPLES:
                    examples[each.flaw].append(each.id)
            if self._settings.fix:
                fixed.update(await self._repair(page.flawed))
            cursor = page.cursor
            if cursor is None:
                break
        self._made_due = fixed[Flaw.NOT_DUE] > 0
        return [
            Finding(
                kind=flaw.value,
                message=message,
                remedy=remedy,
                count=counts[flaw],
                examples=examples[flaw],
                repairable=True,
                fixed=fixed[flaw] if self._settings.fix else None,
            )
            for flaw, (message, remedy) in _FLAWS.items()
            if counts[flaw]
        ]

    async def _repair(self, flawed: Sequence[Flawed]) -> Counter[Flaw]:
        """Repair flaws. Those that a running system has repaired meanwhile count as fixed."""
        if flawed:
            now = self._clock.now()
            lease_until = now + timedelta(seconds=self._settings.lease)
            ids = list(dict.fromkeys(each.id for each in flawed))
            await self._store.repair(ids, now=now, lease_until=lease_until, retention=self._settings.keep)
        return Counter(each.flaw for each in flawed)

    async def _depths(self) -> Mapping[str, int] | None:
        if self._broker is None:
            return None
        try:
            return await self._broker.depths()
        except BrokerUnavailable:
            return None

    async def _overdue(self, before: datetime, depths: Mapping[str, int] | None) -> list[Finding]:
        """Tasks that a relay should have handled by `before`."""
        groups: dict[str, list[str]] = defaultdict(list)
        overdue = await self._store.overdue(before=before, limit=_MAX_OVERDUE)
        more = " (and maybe more)" if len(overdue) == _MAX_OVERDUE else ""
        for each in overdue:
            groups[_overdue_kind(each, depths)].append(each.id)
        is_fixing = self._settings.fix and depths is not None and bool(groups)
        remaining: set[str] = set()
        if is_fixing or (self._made_due and depths is not None):
            await self._run_relay()
            remaining = {each.id for each in await self._store.overdue(before=before, limit=_MAX_OVERDUE)}
        return [
            Finding(
                kind=kind,
                message=message + more,
                remedy=remedy if depths is not None else "needs a relay that reaches the broker",
                count=len(groups[kind]),
                examples=groups[kind][:_EXAMPLES],
                repairable=depths is not None,
                fixed=sum(task_id not in remaining for task_id in groups[kind]) if is_fixing else None,
            )
            for kind, (message, remedy) in _TO_RELAY.items()
            if groups[kind]
        ]

    async def _run_relay(self) -> None:
        for _ in range(_MAX_RELAY_TURNS):
            if await self._relay.turn() > 0.0:
                return

    async def _surplus(self, before: Mapping[str, int]) -> list[Finding]:
        """Depths are read twice, since tasks come and go between the broker's answer and the store's."""
        counts = await self._store.counts()
        waiting = sum(counts[status] for status in (Status.SCHEDULED, Status.QUEUED, Status.RETRYING))
        after = await self._depths()
        if after is None:
            return []
        surplus = min(sum(before.values()), sum(after.values())) - waiting
        if surplus <= 0:
            return []
        message = (
            "more messages in the broker than waiting tasks: of cancelled tasks, doubles, or without record"
        )
        remedy = "none needed: consumers create missing records and drop the others"
        return [Finding(kind="surplus_messages", message=message, remedy=remedy, count=surplus, notice=True)]

    async def _policies(self) -> list[Finding]:
        """Waiting tasks among the latest that the broker dead-lettered by a policy or a limit; they go on."""
        found: list[str] = []
        for status in (Status.SCHEDULED, Status.QUEUED):
            page = await self._store.list_tasks(status, limit=_PAGE, cursor=None)
            found += [each.task.id for each in page.items if (each.waits_for or "").startswith(BY_BROKER)]
        if not found:
            return []
        message = (
            "waiting tasks whose messages the broker expired, dropped, or gave up as returned too often, "
            f"such as {', '.join(found[:_EXAMPLES])}"
        )
        remedy = (
            "exempt our queues from message-ttl, max-length and delivery-limit "
            "(rabbitmqctl list_policies, list_operator_policies)"
        )
        return [Finding(kind="broker_policy", message=message, remedy=remedy, count=len(found))]


def _overdue_kind(overdue: Overdue, depths: Mapping[str, int] | None) -> str:
    if overdue.status is Status.RUNNING:
        return "dead_lease"
    if overdue.status is not Status.QUEUED:
        return "unpublished"
    return "forgotten" if depths is not None and depths.get(overdue.queue) == 0 else "unattended"
