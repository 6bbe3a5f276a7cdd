"""Health: named checks, each with the time of its last change, and readiness.

Nothing here asks a service: checks read what their owner already knows, so that a probe is answered at
once even while everything else hangs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Event, ServiceLost, ServiceRestored


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The state of a dependency; `details` are for operators (a version, a warning)."""

    ok: bool
    error: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A check, and when it last changed between ok and not ok."""

    check: Check
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether work may be sent here, and the `reasons` why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


Checker = Callable[[], Check]


class Health:
    """Collects checks. Also listens to events of these `kinds`, so that the `since` of an outage is exact."""

    kinds = (ServiceLost, ServiceRestored)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._checkers: dict[str, Checker] = {}
        self._needed: set[str] = set()
        self._since: dict[str, tuple[bool, datetime]] = {}
        self._closed: str | None = "starting"

    def add(self, name: str, checker: Checker, *, needed: bool) -> None:
        """Register a check. If it is not ok, the process is degraded, and if it is `needed`, not ready."""
        self._checkers[name] = checker
        if needed:
            self._needed.add(name)

    def open(self) -> None:
        """End the start-up: from now on the needed checks decide on readiness."""
        self._closed = None

    def close(self, reason: str) -> None:
        """Be not ready from now on, whatever the checks say."""
        self._closed = reason

    def __call__(self, event: Event) -> None:
        if isinstance(event, ServiceLost):
            self._note(event.service, ok=False)
        elif isinstance(event, ServiceRestored):
            self._note(event.service, ok=True)

    def report(self) -> dict[str, CheckReport]:
        """Every check as it is now."""
        return {name: self._examine(name) for name in self._checkers}

    def readiness(self) -> Readiness:
        """Ready between `open` and `close`, while every needed check is ok."""
        if self._closed is not None:
            return Readiness(ready=False, reasons=(self._closed,))
        reports = {name: report.check for name, report in self.report().items() if name in self._needed}
        reasons = tuple(
            f"{name}: {check.error or 'not ok'}" for name, check in reports.items() if not check.ok
        )
        return Readiness(ready=not reasons, reasons=reasons)

    def _examine(self, name: str) -> CheckReport:
        try:
            check = self._checkers[name]()
        except Exception as exc:  # noqa: BLE001 - a check that breaks is a check that fails
            check = Check(ok=False, error=f"the check itself failed: {type(exc).__name__}")
        return CheckReport(check=check, since=self._note(name, ok=check.ok))

    def _note(self, name: str, *, ok: bool) -> datetime:
        before = self._since.get(name)
        if before is not None and before[0] is ok:
            return before[1]
        now = self._clock.now()
        self._since[name] = (ok, now)
        return now
