"""The doctor holds store and broker against each other, and puts right what contradicts itself if told to.

Each repair looks once more at what it changes, in an atomic step of the store, or goes through the relay's
fences. So it is safe beside a running system, and safe to repeat.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from taskrunner.brokers.base import Broker
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.value import Value
from taskrunner.producer.relay import Relay
from taskrunner.stores.base import Store
from taskrunner.stores.inspection_store import Flaw, Flawed, Overdue

# One step of the walk: Redis does nothing else for some 5 ms.
_PAGE = 500
# Beyond, overdue tasks are not counted.
_OVERDUE_MOST = 10_000
# A bound for a fix beside a producer that is faster than the relay.
_RELAY_TURNS = 10_000
_EXAMPLES = 3
# Ordinary machines that keep their time by NTP are some ms apart.
_SKEW = 1.0

_FLAWS = {
    Flaw.NOT_DUE: (
        "live tasks that are not in the due index, so that nothing will happen to them",
        "makes them due",
    ),
    Flaw.DUE_THOUGH_ENDED: ("finished tasks in the due index", "takes them out"),
    Flaw.MISFILED: ("tasks whose entries in indexes are not those of their status", "files them anew"),
    Flaw.NO_RECORD: ("tasks of which there is no record, only entries in indexes or parts", "removes these"),
}
_TO_RELAY = {
    "dead_lease": ("tasks that run beyond their lease", "ends these attempts, so that the next ones follow"),
    "forgotten": (
        "queued tasks that the broker has no message of (their queue is empty)",
        "publishes them again",
    ),
    "unattended": ("queued tasks that no relay looked after when it was time", "looks after them"),
    "unpublished": ("tasks that were to be published and were not", "publishes them"),
}


class Finding(Value):
    """One kind of trouble. `says` tells what `count` things are, `remedy` what a fix does or who can help.

    `repairable`: `remedy` is what a fix does. `fixed` is how many it was done to, None where none was tried.
    """

    kind: str
    says: str
    remedy: str
    count: int = 1
    examples: Sequence[str] = ()
    repairable: bool = False
    fixed: int | None = None

    @property
    def is_left(self) -> bool:
        """Whether it is still so."""
        return self.fixed is None or self.fixed < self.count


class DoctorSettings(Value):
    """Durations are seconds: the relay's hold, the consumers' lease, and how long what has ended is kept.

    `fix` is whether to repair.
    """

    hold: float
    lease: float
    keep: float
    fix: bool


class Doctor:
    """Store and broker are connected; the broker is None where there is none to be asked."""

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
        """Everything, in order. Raises `StoreUnavailable`."""
        # What the walk makes due, however long it takes, has not been left alone by anybody.
        before = self._clock.now() - timedelta(seconds=self._settings.hold)
        findings = [*self._settings_of_store(), *await self._clocks(), *await self._broker_itself()]
        findings += await self._walk()
        depths = await self._depths()
        findings += await self._overdue(before, depths)
        if depths is not None:
            findings += await self._surplus(depths)
        return findings

    def _settings_of_store(self) -> list[Finding]:
        warnings = self._store.status().warnings
        return [
            Finding(kind="store_settings", says=warning, remedy="set by the operator") for warning in warnings
        ]

    async def _clocks(self) -> list[Finding]:
        began = self._clock.now()
        theirs = await self._store.time()
        ended = self._clock.now()
        # Whatever the way took, their clock was read between our two readings.
        ahead = (theirs - ended).total_seconds()
        behind = (began - theirs).total_seconds()
        if max(ahead, behind) <= _SKEW:
            return []
        apart = f"{ahead:.1f} s ahead of" if ahead > 0 else f"{behind:.1f} s behind"
        says = f"the clock of {self._store.name} is {apart} ours"
        return [Finding(kind="clock_skew", says=says, remedy="keep all machines' time by NTP")]

    async def _broker_itself(self) -> list[Finding]:
        if self._broker is None:
            return []
        warnings = self._broker.status().warnings
        found = [
            Finding(kind="broker_version", says=each, remedy="chosen by the operator") for each in warnings
        ]
        try:
            await self._broker.try_publishing()
        except BrokerUnavailable as exc:
            remedy = "see its alarms: memory, disk (rabbitmq-diagnostics alarms)"
            found.append(Finding(kind="broker_alarm", says=str(exc), remedy=remedy))
        return found

    async def _walk(self) -> list[Finding]:
        """All records and indexes, a page at a time; of what is found only counts and examples are held."""
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
                says=says,
                remedy=remedy,
                count=counts[flaw],
                examples=examples[flaw],
                repairable=True,
                fixed=fixed[flaw] if self._settings.fix else None,
            )
            for flaw, (says, remedy) in _FLAWS.items()
            if counts[flaw]
        ]

    async def _repair(self, flawed: Sequence[Flawed]) -> Counter[Flaw]:
        """What a running system has put right by itself meanwhile counts as fixed."""
        if flawed:
            now = self._clock.now()
            lease_until = now + timedelta(seconds=self._settings.lease)
            ids = list(dict.fromkeys(each.id for each in flawed))
            await self._store.repair(ids, now=now, lease_until=lease_until, retention=self._settings.keep)
        return Counter(each.flaw for each in flawed)

    async def _depths(self) -> Mapping[Priority, int] | None:
        if self._broker is None:
            return None
        try:
            return await self._broker.depths()
        except BrokerUnavailable:
            return None

    async def _overdue(self, before: datetime, depths: Mapping[Priority, int] | None) -> list[Finding]:
        """What any relay would have seen to `hold` seconds before we began."""
        groups: dict[str, list[str]] = defaultdict(list)
        overdue = await self._store.overdue(before=before, limit=_OVERDUE_MOST)
        more = " (and maybe more)" if len(overdue) == _OVERDUE_MOST else ""
        for each in overdue:
            groups[_trouble(each, depths)].append(each.id)
        mends = self._settings.fix and depths is not None and bool(groups)
        left: set[str] = set()
        if mends or (self._made_due and depths is not None):
            await self._run_relay()
            left = {each.id for each in await self._store.overdue(before=before, limit=_OVERDUE_MOST)}
        return [
            Finding(
                kind=kind,
                says=says + more,
                remedy=remedy if depths is not None else "for a relay that reaches the broker",
                count=len(groups[kind]),
                examples=groups[kind][:_EXAMPLES],
                repairable=depths is not None,
                fixed=sum(task_id not in left for task_id in groups[kind]) if mends else None,
            )
            for kind, (says, remedy) in _TO_RELAY.items()
            if groups[kind]
        ]

    async def _run_relay(self) -> None:
        for _ in range(_RELAY_TURNS):
            if await self._relay.turn() > 0.0:
                return

    async def _surplus(self, before: Mapping[Priority, int]) -> list[Finding]:
        """Messages are counted twice, since tasks come and go between the broker's answer and the store's."""
        counts = await self._store.counts()
        waiting = sum(counts[status] for status in (Status.SCHEDULED, Status.QUEUED, Status.RETRYING))
        after = await self._depths()
        if after is None:
            return []
        surplus = min(sum(before.values()), sum(after.values())) - waiting
        if surplus <= 0:
            return []
        says = "messages in the broker more than tasks wait: some have no record, or are doubles"
        remedy = "nothing to be done: consumers make the records that are missing, and drop doubles"
        return [Finding(kind="surplus_messages", says=says, remedy=remedy, count=surplus)]


def _trouble(overdue: Overdue, depths: Mapping[Priority, int] | None) -> str:
    if overdue.status is Status.RUNNING:
        return "dead_lease"
    if overdue.status is not Status.QUEUED:
        return "unpublished"
    return "forgotten" if depths is not None and depths.get(overdue.queue) == 0 else "unattended"
