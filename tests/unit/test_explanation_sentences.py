"""The explanation in words: sentences that read well, whatever errors they quote."""

from typing import Any

import pytest

from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.situation import Pause
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.unserved import unserved
from taskrunner.domain.value import replace
from tests.unit.test_explanation import BEFORE, DUE, QUEUED, RETRYING, SOON, reasons, record

UNSERVED = record(Status.SCHEDULED, due=SOON, waits_for=unserved("resize"))
AT = "2026-01-01T12:00:30Z"


@pytest.mark.parametrize(
    ("of", "changes", "text"),
    [
        (
            UNSERVED,
            {},
            f"It waits for a consumer that has a handler for resize; it is published again at {AT}.",
        ),
        (
            replace(RETRYING, error="The host name could not be resolved."),
            {},
            f"Attempt 2 of 3 starts at {AT}, after this one: The host name could not be resolved.",
        ),
        (
            RETRYING,
            {"pauses": (Pause(scope="all", since=BEFORE),)},
            f"Attempt 2 of 3 is due at {AT}, after this one: answered 500.",
        ),
        (
            record(Status.FAILED, finished_at=BEFORE, error="It broke."),
            {},
            "The task failed at 2026-01-01T11:59:00Z: It broke.",
        ),
        (
            QUEUED,
            {"queue": None, "broker_error": "no route."},
            "The broker, which has the queues, is away: no route.",
        ),
        (DUE, {"broker_blocked": "low on disk."}, "The broker takes no messages now: low on disk."),
    ],
)
def test_a_reason_is_one_sentence(of: Record, changes: dict[str, Any], text: str) -> None:
    """An error may end with a full stop of its own; a task that is paused is not said to start."""
    assert reasons(of, **changes)[-1].text == text
