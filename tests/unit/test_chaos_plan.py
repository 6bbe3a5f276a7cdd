"""The chaos campaign's plan, its measure of recovery, and its list of faults."""

from collections import Counter

import pytest

from tests.system.chaos.campaign import Plan
from tests.system.chaos.catalogue import FAULTS, listed, name_of
from tests.system.chaos.executors import HANDLED, REQUESTED
from tests.system.chaos.traffic import Orders
from tests.system.chaos.trial import rate, recovery
from tests.system.harness.target import Hit


def steady(start: float, end: float, per_second: int) -> list[Hit]:
    count = int((end - start) * per_second)
    return [Hit(f"{start}-{n}", 1, start + n / per_second, True) for n in range(count)]


def test_every_listed_fault_is_done_or_says_why_not() -> None:
    """Never both, and nothing is done that is not listed."""
    done = {fault_id.rstrip("abcd") for fault_id in FAULTS}
    undone = {fault_id for fault_id, fault in listed().items() if fault.get("undone")}
    assert done | undone == set(listed())
    assert not done & undone
    assert len(listed()) == 48


def test_every_fault_has_a_name() -> None:
    """That of its line, and what exactly is done."""
    assert name_of("F17b") == "RabbitMQ graceful restart (crash)"
    assert all(name_of(fault_id) for fault_id in FAULTS)


def test_a_plan_is_repeatable_and_goes_through_every_fault() -> None:
    """The same seed gives the same trials; no fault comes twice before each came once."""
    plan = Plan.make(3, 2 * len(FAULTS))
    assert plan == Plan.make(3, 2 * len(FAULTS))
    assert plan != Plan.make(4, 2 * len(FAULTS))
    assert sorted(name for name, _ in plan.trials) == sorted([*FAULTS, *FAULTS])


def test_trials_of_a_profile_stand_together() -> None:
    """Each profile is deployed once."""
    profiles = [profile for profile, _ in Plan.make(3, 70).by_profile()]
    assert len(profiles) == len(set(profiles))


def test_a_plan_of_some_faults_repeats_them() -> None:
    """`--only` with more runs than faults."""
    assert [name for name, _ in Plan.make(1, 3, ["F17"]).trials] == ["F17"] * 3


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (steady(100, 103, 100), 0.0),
        (steady(104.5, 108, 100), 4.5),
        (steady(100, 104, 50) + steady(104, 108, 100), 3.8),
        (steady(100, 110, 50), None),
        ([], None),
    ],
)
def test_recovery_is_when_the_former_rate_begins(after: list[Hit], expected: float | None) -> None:
    """Nine tenths of it, over a second, counted from the fault's end."""
    hits = steady(90, 98, 100) + after
    assert rate(hits, 98.0) == pytest.approx(100, abs=1)
    found = recovery(hits, 98.0, 100.0)
    assert (found is None) if expected is None else found == pytest.approx(expected, abs=0.1)


def test_a_fifth_of_the_traffic_is_of_executors() -> None:
    """Unless the fault wipes out the executors, too; each order is one task with a name of its own."""
    orders = Orders("http://target.test:1", "run", "secret", executors=True)
    made = [orders.make(number) for number in range(50)]
    named = Counter(order.fields.get("executor") for order in made)
    assert (named[REQUESTED], named[HANDLED], named[None]) == (5, 5, 40)
    assert len(orders.made) == 50
    assert all(("id" in order.fields) is (order.key is None) for order in made)
    bare = Orders("http://target.test:1", "run", "secret")
    assert not any("executor" in bare.make(number).fields for number in range(50))
