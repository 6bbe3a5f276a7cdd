"""CrashSuspects: which attempts count when a worker process dies."""

from taskrunner.consumer.processes import crash_suspects
from taskrunner.consumer.processes.crash_suspects import COUNTED_FROM, SPREAD, CrashSuspects
from taskrunner.domain.tasks.outcome import OutcomeKind


def test_the_first_death_is_our_fault_and_the_task_runs_again_at_once() -> None:
    outcome = CrashSuspects().record_death("a", "signal SIGSEGV")
    assert (outcome.kind, outcome.counted, outcome.retry_after) == (OutcomeKind.INTERRUPTED, False, None)
    assert outcome.error is not None
    assert "signal SIGSEGV" in outcome.error


def test_tasks_of_two_deaths_run_again_at_random_times() -> None:
    suspects = CrashSuspects()
    suspects.record_death("a", "")
    waits = set()
    for number in range(20):
        suspects.record_death(f"t{number}", "")
        outcome = suspects.record_death(f"t{number}", "")
        assert outcome.counted is False
        assert outcome.retry_after is not None
        assert 0 <= outcome.retry_after <= SPREAD
        waits.add(outcome.retry_after)
    assert len(waits) > 1


def test_from_the_third_death_on_an_attempt_counts() -> None:
    suspects = CrashSuspects()
    counted = [suspects.record_death("a", "").counted for _ in range(COUNTED_FROM + 2)]
    assert counted == [False, False, True, True, True]


def test_a_task_that_finishes_is_no_suspect_any_more() -> None:
    suspects = CrashSuspects()
    for _ in range(COUNTED_FROM - 1):
        suspects.record_death("a", "")
    suspects.clear("a")
    assert suspects.record_death("a", "").counted is False


def test_the_oldest_suspects_are_forgotten_first() -> None:
    """The memory is bounded."""
    suspects = CrashSuspects()
    suspects.record_death("old", "")
    suspects.record_death("old", "")
    for number in range(crash_suspects._MAX_SUSPECTS):
        suspects.record_death(f"t{number}", "")
    assert suspects.record_death("old", "").retry_after is None
