"""The views of a host and of its limits."""

from collections.abc import Sequence
from typing import Literal, Self

from taskrunner.api.views.view import View
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_view import HostCondition, HostView
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.producer.host_admin import HostLimitEntry


class LimitView(View):
    """Attempts at a time, starts per second, and starts at once after a rest."""

    concurrency: int | None
    rate: float | None
    burst: int | None

    @classmethod
    def of(cls, limit: HostLimit) -> Self:
        return cls.copy(limit)


class HostDetail(View):
    """A host as named in URLs. `limit` is that of the most specific `pattern` that matches it.

    Nothing starts before `until`; a host that is slowed down gets one start every `pace` seconds. `in_flight`
    is known for limited hosts. Tasks wait for the host until `waiting_until`. `attempt_time` is in seconds.
    """

    host: str
    state: HostCondition
    until: AwareDatetime | None
    pace: float | None
    in_flight: int | None
    waiting_until: AwareDatetime | None
    attempt_time: float | None
    pattern: str | None
    limit: LimitView | None

    @classmethod
    def of(cls, host: HostView) -> Self:
        applied = host.applied
        return cls.copy(
            host,
            state=host.condition,
            pattern=None if applied is None else applied.pattern,
            limit=None if applied is None else LimitView.of(applied.limit),
        )


class HostLimitView(View):
    """A limit of a pattern, set by the API or configured in the process that answers."""

    pattern: str
    concurrency: int | None
    rate: float | None
    burst: int | None
    source: Literal["api", "config"]

    @classmethod
    def of(cls, shown: HostLimitEntry) -> Self:
        source = "api" if shown.given else "config"
        return cls.copy(shown.limit, pattern=shown.pattern, source=source)


class HostList(View):
    """A part of the hosts, starting with those whose state lasts longest, and all limits."""

    hosts: Sequence[HostDetail]
    limits: Sequence[HostLimitView]
    next_cursor: str | None
