"""Health: what makes us ready, what makes us degraded, and since when."""

from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.events import ServiceLost, ServiceRestored
from taskrunner.monitor.health import Check, Health

START = datetime(2030, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return 1000.0 + self.seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock: FakeClock) -> Health:
    health = Health(clock)
    health.open()
    return health


def test_nothing_is_ready_before_the_gate_opens(clock: FakeClock) -> None:
    assert Health(clock).readiness().reasons == ("starting",)


def test_only_a_needed_check_stands_in_the_way(health: Health) -> None:
    health.add("rabbitmq", lambda: Check(ok=False, error="away"), needed=False)
    assert health.readiness().ready
    health.add("redis", lambda: Check(ok=False, error="refused"), needed=True)
    assert health.readiness().reasons == ("redis: refused",)


def test_a_check_that_breaks_fails_without_its_inner_text(health: Health) -> None:
    health.add("redis", lambda: Check(ok=bool(1 / 0)), needed=True)
    check = health.report()["redis"].check
    assert (check.ok, check.error) == (False, "the check itself failed: ZeroDivisionError")


def test_since_is_when_the_state_changed_not_when_it_was_asked(health: Health, clock: FakeClock) -> None:
    ok = True
    health.add("redis", lambda: Check(ok=ok), needed=True)
    assert health.report()["redis"].since == START
    clock.seconds = 10
    assert health.report()["redis"].since == START
    ok = False
    health(ServiceLost(service="redis", error="gone"))
    clock.seconds = 20
    assert health.report()["redis"].since == START + timedelta(seconds=10)
    ok = True
    health(ServiceRestored(service="redis", outage=10))
    clock.seconds = 30
    assert health.report()["redis"].since == START + timedelta(seconds=20)


def test_a_closed_gate_stays_closed(health: Health) -> None:
    health.close("stopping")
    assert not health.readiness().ready
