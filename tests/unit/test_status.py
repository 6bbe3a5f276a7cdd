"""The status table: every pair is judged, and the sets that follow from it are right."""

from itertools import product

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, FOLLOWERS, LIVE, PUBLISHABLE, TERMINAL, Status

S = Status
# Written out once more, so that a change of the table has to be meant.
ALLOWED = {
    (S.SCHEDULED, S.SCHEDULED),
    (S.SCHEDULED, S.QUEUED),
    (S.SCHEDULED, S.RUNNING),
    (S.SCHEDULED, S.FAILED),
    (S.SCHEDULED, S.CANCELLED),
    (S.QUEUED, S.SCHEDULED),
    (S.QUEUED, S.QUEUED),
    (S.QUEUED, S.RUNNING),
    (S.QUEUED, S.FAILED),
    (S.QUEUED, S.CANCELLED),
    (S.RUNNING, S.SUCCEEDED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.RETRYING),
    (S.RUNNING, S.SCHEDULED),
    (S.RUNNING, S.CANCELLED),
    (S.RETRYING, S.SCHEDULED),
    (S.RETRYING, S.QUEUED),
    (S.RETRYING, S.RUNNING),
    (S.RETRYING, S.FAILED),
    (S.RETRYING, S.CANCELLED),
    (S.FAILED, S.SCHEDULED),
}


@pytest.mark.parametrize(("before", "after"), list(product(Status, repeat=2)))
def test_every_pair_is_allowed_or_not(before: Status, after: Status) -> None:
    """The table says yes to exactly the pairs that the design has."""
    assert (after in FOLLOWERS[before]) == ((before, after) in ALLOWED)


def test_every_status_is_live_or_terminal() -> None:
    """And none is both."""
    assert set(Status) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert {S.SUCCEEDED, S.FAILED, S.CANCELLED} == TERMINAL


def test_only_a_requeued_dead_letter_leaves_a_terminal_status() -> None:
    """A success and a cancel are for ever."""
    assert {(before, after) for before in TERMINAL for after in FOLLOWERS[before]} == {
        (S.FAILED, S.SCHEDULED)
    }


def test_every_live_task_can_be_cancelled_and_can_end() -> None:
    """No live status is a dead end."""
    for status in LIVE:
        assert S.CANCELLED in FOLLOWERS[status]
        assert S.FAILED in FOLLOWERS[status]


def test_what_may_be_claimed_and_published() -> None:
    """A task that runs or has ended is neither."""
    assert {S.SCHEDULED, S.QUEUED, S.RETRYING} == CLAIMABLE == PUBLISHABLE
