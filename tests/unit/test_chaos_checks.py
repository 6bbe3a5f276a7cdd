"""The chaos campaign's checks: each finds its broken promise and no other, and a clean trial passes."""

from typing import Any

import pytest

from tests.system.chaos.checks import CHECKS, check, duplicates, repeats
from tests.system.chaos.evidence import Callback, Evidence, Usage
from tests.system.chaos.traffic import FAILED, REFUSED, Order
from tests.system.harness.ledger import Submit
from tests.system.harness.target import Hit

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
SMALL = Usage(threads=60, sockets=6, rss_bytes=100 << 20)


def record(status: str = "succeeded", attempts: int = 1, second: int = 0) -> dict[str, Any]:
    return {
        "status": status,
        "attempt": attempts,
        "error": None,
        "finished_at": f"2026-01-01T12:00:{second:02d}Z" if status in ("succeeded", "failed") else None,
        "attempts": [{"number": number + 1, "outcome": "ok"} for number in range(attempts)],
    }


def accepted(name: str, task_id: str = "") -> Submit:
    return Submit(name, tries=1, accepted_at=NOON - 2, task_id=task_id or name)


def hit(
    name: str, task_id: str = "", *, attempt: int = 1, at: float = NOON - 1, answered: bool = True
) -> Hit:
    return Hit(task_id or name, attempt, at, answered, path=f"/run/{name}")


def clean(**changes: Any) -> Evidence:
    """Task `a` by its id, `b` by a key under the id `b-id`, `c` refused, `d` poison."""
    facts: dict[str, Any] = {
        "orders": {
            name: Order(name=name, fields={}, expect=expect)
            for name, expect in (("a", "succeeded"), ("b", "succeeded"), ("c", REFUSED), ("d", FAILED))
        },
        "submits": [accepted("a"), accepted("b", "b-id"), Submit("c", tries=1, refused=422), accepted("d")],
        "records": {"a": record(), "b-id": record(), "d": record("failed")},
        "last_records": {"a": record(), "b-id": record(), "d": record("failed")},
        "hits": [hit("a"), hit("b", "b-id"), hit("d")],
        "usage": {"serve-1": (SMALL, SMALL)},
        "texts": {"log": "nothing to see"},
        "secrets": ["hunter2"],
    }
    return Evidence(**{**facts, **changes})


def changed(what: str, **entries: Any) -> dict[str, Any]:
    """The clean evidence's mapping `what`, with entries of one's own."""
    return {what: {**getattr(clean(), what), **entries}}


def more(what: str, *entries: Any) -> dict[str, Any]:
    return {what: [*getattr(clean(), what), *entries]}


def test_a_clean_trial_passes() -> None:
    """Nothing is found where every promise was kept."""
    assert check(clean()) == {}


def test_every_promise_has_a_check() -> None:
    """I1 to I11, in order."""
    assert list(CHECKS) == [f"I{number}" for number in range(1, 12)]


BROKEN = [
    ("I1", changed("records", a=None)),
    ("I1", changed("records", a=record("queued"))),
    ("I1", {**changed("records", a=None), "wiped": True, "hits": [hit("b", "b-id"), hit("d")]}),
    ("I2", {"hits": [hit("b", "b-id"), hit("d")]}),
    ("I2", {"hits": [hit("a", answered=False), hit("b", "b-id"), hit("d")]}),
    ("I3", more("hits", hit("a", attempt=2, at=NOON + 1))),
    ("I4", more("hits", hit("b", "other-id"))),
    ("I4", more("hits", hit("never answered", "x"), hit("never answered", "y"))),
    ("I5", more("hits", hit("c"))),
    ("I5", {"submits": [accepted("a"), accepted("b", "b-id"), accepted("c"), accepted("d")]}),
    ("I5", {"submits": [Submit("a", tries=1, refused=422)], "hits": []}),
    ("I6", changed("last_records", a=record("failed"))),
    ("I6", changed("last_records", a=record(second=3))),
    ("I6", {**changed("records", a=record(attempts=2)), "last_records": {"a": record(attempts=1)}}),
    ("I7", {"wants_callback": frozenset({"a"})}),
    ("I7", {"callbacks": [Callback(task="a", webhook_id="1")]}),
    (
        "I7",
        {
            "wants_callback": frozenset({"a"}),
            "callbacks": [Callback(task="a", webhook_id="1"), Callback(task="a", webhook_id="2")],
        },
    ),
    ("I8", changed("records", a=record("failed")) | changed("last_records", a=record("failed"))),
    ("I8", {"poison": ["x"]}),
    ("I8", {"letters": ["x"]}),
    ("I9", {"recovery": None}),
    ("I9", {"recovery": 31.0}),
    ("I10", {"usage": {"serve-1": (SMALL, Usage(threads=70, sockets=6, rss_bytes=100 << 20))}}),
    ("I10", {"usage": {"serve-1": (SMALL, Usage(threads=60, sockets=16, rss_bytes=100 << 20))}}),
    ("I10", {"usage": {"serve-1": (SMALL, Usage(threads=60, sockets=6, rss_bytes=900 << 20))}}),
    ("I11", {"texts": {"log": "password=hunter2"}}),
]


@pytest.mark.parametrize(("promise", "changes"), BROKEN)
def test_a_broken_promise_is_found(promise: str, changes: dict[str, Any]) -> None:
    """By its own check."""
    assert promise in check(clean(**changes))


def test_every_check_can_fail() -> None:
    """The cases above cover each of them."""
    assert {promise for promise, _ in BROKEN} == set(CHECKS)


def test_what_is_allowed_is_not_found() -> None:
    """A wiped record of a task that ran, a repeated callback, a poison letter, a later attempt."""
    allowed = clean(
        **changed("records", a=None),
        wiped=True,
        wants_callback=frozenset({"b-id"}),
        callbacks=[Callback(task="b-id", webhook_id="1")] * 2,
        poison=["x"],
        letters=["x"],
    )
    assert check(allowed) == {}


def test_doubles_and_repeats_are_counted() -> None:
    """The same attempt seen twice is a duplicate; an interrupted attempt is a repeat."""
    interrupted = record(attempts=2)
    interrupted["attempts"][0]["outcome"] = "interrupted"
    evidence = clean(**more("hits", hit("a"), hit("a", attempt=2)), **changed("records", a=interrupted))
    assert (duplicates(evidence), repeats(evidence)) == (1, 1)
