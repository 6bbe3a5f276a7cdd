"""The system tests' audit: each broken promise is found, and a clean run passes."""

from typing import Any

import pytest

from tests.system.harness.audit import audit
from tests.system.harness.target import Hit

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
HIT = Hit("a", 1, NOON - 1, answered=True)


def record(task_id: str = "a", status: str = "succeeded") -> dict[str, Any]:
    ended = "2026-01-01T12:00:00Z"
    return {"id": task_id, "status": status, "finished_at": ended, "error": None, "attempts": [{}]}


def test_a_clean_run_passes() -> None:
    """One accepted task, one record, one hit; an unsure submit may have left a task or not."""
    hits = [HIT, Hit("b", 1, NOON - 1, answered=True)]
    audit({"a"}, [record(), record("b")], hits, unsure={"b", "c"}).check()


@pytest.mark.parametrize(
    ("finding", "records", "hits"),
    [
        ("lost", [], []),
        ("listed_twice", [record(), record()], [HIT]),
        ("unfinished", [record(status="queued")], []),
        ("not_succeeded", [record(status="failed")], [HIT]),
        ("unseen", [record()], []),
        ("unseen", [record()], [Hit("a", 1, NOON - 1, answered=False)]),
        ("run_after_end", [record()], [HIT, Hit("a", 2, NOON + 1, answered=True)]),
        ("strangers", [record(), record("x")], [HIT, Hit("x", 1, NOON - 1, answered=True)]),
    ],
)
def test_a_broken_promise_is_found(finding: str, records: list[Any], hits: list[Hit]) -> None:
    """Each by its own name, and the check fails."""
    report = audit({"a"}, records, hits)
    assert list(report.findings) == [finding]
    with pytest.raises(AssertionError, match=finding):
        report.check()


def test_doubles_are_counted() -> None:
    """The same attempt seen twice is a duplicate; another attempt is not."""
    hits = [HIT, HIT, Hit("a", 2, NOON - 0.5, answered=True)]
    assert audit({"a"}, [record()], hits).check().duplicates == 1
