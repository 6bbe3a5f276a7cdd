"""The view of everything at once."""

from collections.abc import Mapping, Sequence
from typing import Self

from taskrunner.api.views.fleet import PointView, QueueView, WorkerView
from taskrunner.api.views.host import HostDetail
from taskrunner.api.views.view import View
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.producer.recent_failures import FailureGroup, RecentFailures


class FailureGroupView(View):
    """Failed tasks with something in common."""

    name: str
    count: int

    @classmethod
    def of(cls, group: FailureGroup) -> Self:
        return cls.copy(group)


class FailuresView(View):
    """Groups of the failed tasks that were created last: `looked_at` of them, the first at `since`.

    A task that is no request is counted under `executor:NAME`.
    """

    looked_at: int
    since: AwareDatetime | None
    hosts: Sequence[FailureGroupView]
    outcomes: Sequence[FailureGroupView]

    @classmethod
    def of(cls, found: RecentFailures) -> Self:
        hosts, outcomes = (
            [FailureGroupView.of(each) for each in groups] for groups in (found.hosts, found.outcomes)
        )
        return cls.copy(found, hosts=hosts, outcomes=outcomes)


class DependencyView(View):
    """A dependency of the process that answers."""

    ok: bool
    error: str | None
    since: AwareDatetime


class OverviewView(View):
    """What `/queues`, `/workers`, `/stats/history`, `/hosts` and `/health` answer, in one.

    `checks` are always there. A part that could not be read is null, and `missing` says why, by its name.
    `workers` leave out what they run. `hosts` are up to 50 of those in trouble.
    """

    checks: Mapping[str, DependencyView]
    missing: Mapping[str, str]
    queues: Sequence[QueueView] | None
    workers: Sequence[WorkerView] | None
    counts: Mapping[Status, int] | None
    stuck: Mapping[Status, int] | None
    hosts: Sequence[HostDetail] | None
    failures: FailuresView | None
    resolution: int
    points: Sequence[PointView] | None
