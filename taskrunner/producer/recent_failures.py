"""Which hosts and which errors the newest failed tasks have in common."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.executors.executor_limits import host_name_of
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value
from taskrunner.stores.operator_store import OperatorStore

# One page of the store; more would not change which come first.
MOST_LOOKED_AT = 200
_MOST_GROUPS = 8


class FailureGroup(Value):
    """Failed tasks with something in common: a host, `executor:NAME`, or an outcome."""

    name: str
    count: int


class RecentFailures(Value):
    """Groups of the `looked_at` failed tasks that were created last, the first of them at `since`."""

    looked_at: int
    since: datetime | None
    hosts: tuple[FailureGroup, ...]
    outcomes: tuple[FailureGroup, ...]


async def recent_failures(store: OperatorStore) -> RecentFailures:
    """Raises `StoreUnavailable`."""
    page = await store.list_tasks(Status.FAILED, limit=MOST_LOOKED_AT, cursor=None)
    return failures_in(page.items)


def failures_in(records: Sequence[Record]) -> RecentFailures:
    """A task that is no request counts for `executor:NAME`, one that failed otherwise for its reason."""
    hosts = Counter(_place(record) for record in records)
    outcomes = Counter(_outcome(record) for record in records)
    return RecentFailures(
        looked_at=len(records),
        since=min((record.task.created_at for record in records), default=None),
        hosts=_largest(hosts),
        outcomes=_largest(outcomes),
    )


def _place(record: Record) -> str:
    task = record.task
    return host_name_of(task.executor or "") if task.url is None else host_of(task.url)


def _outcome(record: Record) -> str:
    kinds = [each.outcome for each in record.attempts if each.outcome is not None]
    return kinds[-1].value if kinds else record.reason or "unknown"


def _largest(counts: Counter[str]) -> tuple[FailureGroup, ...]:
    return tuple(FailureGroup(name=name, count=count) for name, count in counts.most_common(_MOST_GROUPS))
