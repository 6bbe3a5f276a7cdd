"""InFlight: each attempt is there from its claim until it is settled, once."""

from taskrunner.consumer.in_flight import InFlight
from taskrunner.domain.tasks.progress import Progress
from tests.tools.attempts import make_claimed


def test_an_attempt_is_in_flight_until_it_is_removed() -> None:
    in_flight, attempt = InFlight(), make_claimed("a")
    in_flight.add(attempt)
    assert in_flight.has(("a", 1))
    assert not in_flight.has(("a", 2))
    assert (list(in_flight), len(in_flight)) == ([attempt], 1)
    assert in_flight.remove(attempt)
    assert (list(in_flight), len(in_flight)) == ([], 0)


def test_only_the_first_removal_counts() -> None:
    """An attempt that was given up and then ended frees its place at its host once."""
    in_flight, attempt = InFlight(), make_claimed("a")
    in_flight.add(attempt)
    assert [in_flight.remove(attempt) for _ in range(2)] == [True, False]


def test_attempts_with_a_fresh_lease_and_cancelled_ones_are_not_asked_about() -> None:
    in_flight, attempts = InFlight(), [make_claimed(name) for name in "abc"]
    for attempt, lease_ends in zip(attempts, (10.0, 20.0, 10.0), strict=True):
        attempt.lease_ends = lease_ends
        in_flight.add(attempt)
    attempts[2].cancelled = True
    assert in_flight.leases_ending_before(20.0) == attempts[:1]


def test_progress_is_news_once_and_not_too_often() -> None:
    """Attempts that say nothing are never asked about."""
    in_flight = InFlight()
    quiet, talking = make_claimed("quiet"), make_claimed("talking")
    for attempt in (quiet, talking):
        in_flight.add(attempt)
    assert in_flight.with_news(100.0) == []
    talking.progress = Progress(fraction=0.5, attempt=1)
    assert in_flight.with_news(100.0) == [talking]
    talking.written, talking.written_at = talking.progress, 100.0
    assert in_flight.with_news(101.0) == []
    talking.progress = Progress(fraction=0.6, attempt=1)
    assert in_flight.with_news(100.0) == []
    assert in_flight.with_news(101.0) == [talking]
