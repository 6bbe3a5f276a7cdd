"""The explanation: the right reason in each state, and no more than the caller may know."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.hosts.host_admission import (
    CIRCUIT_HALF_OPEN,
    CIRCUIT_OPEN,
    CONCURRENCY,
    RATE,
    SLOW,
    THROTTLED,
    wait_reason,
)
from taskrunner.domain.hosts.host_limit import AppliedLimit, HostLimit
from taskrunner.domain.hosts.host_view import HostCondition, HostView
from taskrunner.domain.tasks.explanation import Reason, ReasonCode, explain
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import BY_BROKER, Attempt, Record
from taskrunner.domain.tasks.situation import Pause, QueueFacts, Situation
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from tests.tools.fetching import make_task

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SOON, LATER, BEFORE = (NOW + timedelta(seconds=each) for each in (30, 3600, -60))
HOST = "a.example"
LAST = Attempt(number=1, started_at=BEFORE, consumer="c1")
FREE = QueueFacts(ready=0, consumers=2)


def record(status: Status, **changes: Any) -> Record:
    of_task = {name: changes.pop(name) for name in ("run_at", "expires_at", "labels") if name in changes}
    fields: dict[str, Any] = {
        "task": replace(make_task(f"https://{HOST}/x", id="a"), **of_task),
        "status": status,
        "attempt": 0,
        "attempt_limit": 3,
        "due": None,
        "attempts": (),
        "result": None,
        "error": None,
        "updated_at": BEFORE,
        "finished_at": None,
        "kept_until": None,
    }
    return Record(**(fields | changes))


def host(condition: HostCondition, until: datetime | None) -> HostView:
    return HostView(
        host=HOST,
        condition=condition,
        until=until,
        pace=None,
        in_flight=None,
        waiting_until=None,
        attempt_time=None,
        applied=None,
    )


def limited(in_flight: int) -> HostView:
    """A host that takes two attempts at a time."""
    applied = AppliedLimit(pattern=HOST, limit=HostLimit(concurrency=2))
    return replace(host(HostCondition.OK, None), in_flight=in_flight, applied=applied)


def reasons(of: Record, **changes: Any) -> tuple[Reason, ...]:
    return explain(Situation(record=of, now=NOW, **({"queue": FREE} | changes)))


def waiting(why: str) -> Record:
    return record(Status.SCHEDULED, due=SOON, waits_for=wait_reason(HOST, why))


QUEUED = record(Status.QUEUED, due=LATER)
DUE = record(Status.SCHEDULED, due=BEFORE)
RETRYING = record(Status.RETRYING, attempt=1, due=SOON, error="answered 500")
RUNNING = record(Status.RUNNING, attempt=1, due=SOON, attempts=(LAST,))
CASES: dict[ReasonCode, tuple[Record, dict[str, Any], dict[str, Any], str]] = {
    ReasonCode.SUCCEEDED: (
        record(Status.SUCCEEDED, finished_at=BEFORE),
        {},
        {"since": BEFORE},
        "The task succeeded at 2026-01-01T11:59:00Z.",
    ),
    ReasonCode.FAILED: (
        record(Status.FAILED, finished_at=BEFORE, reason="expired", error="answered 500"),
        {},
        {"since": BEFORE},
        "The task failed at 2026-01-01T11:59:00Z: expired; answered 500.",
    ),
    ReasonCode.CANCELLED: (
        record(Status.CANCELLED, finished_at=BEFORE, error="cancelled by a client"),
        {},
        {"since": BEFORE},
        "The task was cancelled at 2026-01-01T11:59:00Z: cancelled by a client.",
    ),
    ReasonCode.RUNNING: (
        RUNNING,
        {},
        {"since": BEFORE, "consumer": "c1"},
        "Attempt 1 has been running on consumer c1 since 2026-01-01T11:59:00Z.",
    ),
    ReasonCode.LEASE_OVER: (
        replace(RUNNING, due=NOW),
        {},
        {"since": BEFORE, "consumer": "c1"},
        "its lease ended at 2026-01-01T12:00:00Z; the relay will pass it on.",
    ),
    ReasonCode.DEADLINE_PASSED: (
        record(Status.QUEUED, expires_at=NOW),
        {"queue": QueueFacts(ready=5, consumers=0)},
        {"since": NOW},
        "The deadline passed at 2026-01-01T12:00:00Z",
    ),
    ReasonCode.PAUSED: (
        QUEUED,
        {
            "pauses": (Pause(scope="queue:medium", since=BEFORE, by="ops"),),
            "queue": QueueFacts(ready=1, consumers=0),
        },
        {"since": BEFORE, "scope": "queue:medium", "by": "ops"},
        "The queue medium has been paused since 2026-01-01T11:59:00Z by ops.",
    ),
    ReasonCode.PUT_OFF: (
        record(Status.SCHEDULED, due=SOON, waits_for="paused"),
        {},
        {"until": SOON},
        "put it off (paused); it is published again at 2026-01-01T12:00:30Z",
    ),
    ReasonCode.SCHEDULED: (
        record(Status.SCHEDULED, due=LATER, run_at=LATER),
        {"queue": QueueFacts(ready=0, consumers=0)},
        {"until": LATER},
        "It is scheduled for 2026-01-01T13:00:00Z.",
    ),
    ReasonCode.NEXT_ATTEMPT: (
        RETRYING,
        {"broker_error": "refused"},
        {"until": SOON},
        "Attempt 2 of 3 starts at 2026-01-01T12:00:30Z, after this one: answered 500.",
    ),
    ReasonCode.CIRCUIT_OPEN: (
        waiting(CIRCUIT_OPEN),
        {"host": host(HostCondition.OPEN, LATER)},
        {"until": LATER, "host": HOST},
        "It waits for its host, a.example (circuit open), until 2026-01-01T13:00:00Z.",
    ),
    ReasonCode.CIRCUIT_HALF_OPEN: (
        waiting(CIRCUIT_HALF_OPEN),
        {},
        {"until": SOON, "host": HOST},
        "half open",
    ),
    ReasonCode.HOST_SLOWED: (waiting(THROTTLED), {}, {"until": SOON, "host": HOST}, "told to slow down"),
    ReasonCode.RATE_LIMIT: (waiting(RATE), {}, {"until": SOON, "host": HOST}, "rate limit"),
    ReasonCode.CONCURRENCY_LIMIT: (
        waiting(CONCURRENCY),
        {},
        {"until": SOON, "host": HOST},
        "concurrency limit",
    ),
    ReasonCode.SLOW_HOST: (waiting(SLOW), {}, {"until": SOON, "host": HOST}, "share of the workers is busy"),
    ReasonCode.BROKER_POLICY: (
        record(Status.SCHEDULED, due=SOON, waits_for=f"{BY_BROKER}expired"),
        {},
        {"until": SOON},
        "which removed its message: expired. It is published again at 2026-01-01T12:00:30Z.",
    ),
    ReasonCode.BROKER_AWAY: (QUEUED, {"broker_error": "refused", "queue": None}, {}, "is away: refused."),
    ReasonCode.BROKER_BLOCKED: (
        DUE,
        {"broker_blocked": "low on memory"},
        {},
        "no messages now: low on memory.",
    ),
    ReasonCode.PUBLISHING: (DUE, {}, {"since": BEFORE}, "It has been due since 2026-01-01T11:59:00Z"),
    ReasonCode.NO_CONSUMER: (
        QUEUED,
        {"queue": QueueFacts(ready=7, consumers=0)},
        {},
        "No consumer serves the queue medium; start one with `taskrunner consume`.",
    ),
    ReasonCode.QUEUE_UNDECLARED: (
        QUEUED,
        {"is_declared": False},
        {},
        "The queue medium is not declared any more; declare it with `taskrunner queues declare medium`.",
    ),
    ReasonCode.QUEUE: (
        QUEUED,
        {"queue": QueueFacts(ready=120, consumers=1, rate=7.0)},
        {"ahead": 120, "seconds": 17.0},
        "Up to 120 tasks are ready before it in the queue medium, about 17 s at the present rate.",
    ),
    ReasonCode.DELIVERED: (QUEUED, {}, {}, "A consumer has it, or gets it next"),
}


@pytest.mark.parametrize("code", CASES)
def test_each_state_has_its_reason(code: ReasonCode) -> None:
    """Exactly this one, with its data and its sentence."""
    of, situation, data, sentence = CASES[code]
    (reason,) = reasons(of, **situation)
    assert sentence in reason.text
    assert reason == Reason(code=code, text=reason.text, **data)


def test_every_reason_has_a_case() -> None:
    assert {*CASES, ReasonCode.DEADLINE_FIRST} == set(ReasonCode)


@pytest.mark.parametrize(
    ("of", "situation", "codes"),
    [
        (replace(RETRYING, task=record(Status.RETRYING, expires_at=NOW + timedelta(seconds=10)).task), {},
         ["deadline_first", "next_attempt"]),
        (replace(RETRYING, task=record(Status.RETRYING, expires_at=SOON).task), {}, ["next_attempt"]),
        (record(Status.QUEUED, expires_at=SOON), {"host": host(HostCondition.OPEN, LATER)},
         ["deadline_first", "circuit_open", "delivered"]),
        (QUEUED, {"host": host(HostCondition.SLOWED, SOON)}, ["host_slowed", "delivered"]),
        (QUEUED, {"host": host(HostCondition.SLOWED, None)}, ["delivered"]),
        (QUEUED, {"host": host(HostCondition.LIMITED, None)}, ["delivered"]),
        (QUEUED, {"host": limited(1)}, ["delivered"]),
        (QUEUED, {"host": limited(2)}, ["concurrency_limit", "delivered"]),
        (record(Status.SCHEDULED, due=LATER), {}, ["publishing"]),
        (record(Status.SCHEDULED, due=BEFORE, run_at=BEFORE), {}, ["publishing"]),
        (replace(RETRYING, due=BEFORE), {"broker_error": "refused"}, ["broker_away"]),
        (QUEUED, {"queue": None}, ["delivered"]),
        (QUEUED, {"queue": QueueFacts(ready=1, consumers=1)}, ["queue"]),
    ],
)  # fmt: skip
def test_several_reasons_stand_in_their_order(
    of: Record, situation: dict[str, Any], codes: list[str]
) -> None:
    assert [each.code for each in reasons(of, **situation)] == codes


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("all", True),
        ("queue:medium", True),
        ("label:team", True),
        ("label:team=red", True),
        ("queue:low", False),
        ("label:team=blue", False),
        ("label:red", False),
    ],
)
def test_only_pauses_of_the_task_count(scope: str, covered: bool) -> None:
    """A pause of the queue also explains that nobody consumes it."""
    found = reasons(record(Status.QUEUED, labels={"team": "red"}), pauses=(Pause(scope=scope, since=BEFORE),))
    assert [each.scope for each in found if each.code is ReasonCode.PAUSED] == ([scope] if covered else [])


def test_a_paused_label_does_not_hide_that_nobody_consumes() -> None:
    found = reasons(
        record(Status.QUEUED, labels={"team": "red"}),
        pauses=(Pause(scope="label:team", since=BEFORE),),
        queue=QueueFacts(ready=1, consumers=0),
    )
    assert [each.code for each in found] == [ReasonCode.PAUSED, ReasonCode.NO_CONSUMER]


def test_who_sees_only_its_own_learns_nothing_of_others() -> None:
    """Neither numbers nor names; of the time, one digit."""
    mine = {"sees_all": False}
    (queue,) = reasons(QUEUED, queue=QueueFacts(ready=123, consumers=9, rate=7.0), **mine)
    assert (queue.ahead, queue.seconds) == (None, 20.0)
    assert not any(secret in queue.text for secret in ("123", "9", "7"))
    (running,) = reasons(RUNNING, **mine)
    assert (running.consumer, "c1" in running.text) == (None, False)
    (paused,) = reasons(record(Status.SCHEDULED, due=SOON, waits_for="paused"), **mine)[:1]
    assert paused.code is ReasonCode.PUT_OFF
    paused, *_ = reasons(QUEUED, pauses=(Pause(scope="all", since=BEFORE, by="ops"),), **mine)
    assert (paused.by, "ops" in paused.text) == (None, False)
    (away,) = reasons(QUEUED, broker_error="10.0.0.7:5672", **mine)
    assert "10.0.0.7" not in away.text


def test_a_handler_that_put_its_task_off_is_named() -> None:
    """Unless a consumer has put it off since, for a reason of its own."""
    said = "The handler put the task off for 30 s: sold out"
    snoozed = replace(LAST, finished_at=NOW, outcome=OutcomeKind.SNOOZED, error=said, counted=False)
    waits = record(Status.SCHEDULED, due=SOON, waits_for=said, attempts=(snoozed,), attempt=1)
    (reason,) = reasons(waits)
    assert (reason.code, reason.until) == (ReasonCode.PUT_OFF, SOON)
    assert reason.text == f"{said}; attempt 2 starts at 2026-01-01T12:00:30Z."
    (reason,) = reasons(replace(waits, waits_for="paused"))
    assert reason.text.startswith("A consumer put it off (paused)")


@given(
    status=st.sampled_from(Status),
    due=st.sampled_from([None, BEFORE, NOW, SOON, LATER]),
    deadline=st.sampled_from([None, BEFORE, SOON]),
    waits_for=st.sampled_from([None, "paused", wait_reason(HOST, RATE), "other.example: rate limit"]),
    scopes=st.sets(st.sampled_from(["all", "queue:medium", "label:a", "queue:low"])),
    queue=st.sampled_from([None, FREE, QueueFacts(ready=3, consumers=0), QueueFacts(ready=3, consumers=1)]),
    trouble=st.sampled_from([None, *HostCondition]),
    sees_all=st.booleans(),
)
def test_there_is_always_a_reason(
    status: Status,
    due: datetime | None,
    deadline: datetime | None,
    waits_for: str | None,
    scopes: set[str],
    queue: QueueFacts | None,
    trouble: HostCondition | None,
    sees_all: bool,
) -> None:
    """Each is a sentence, and whatever it waits until is still to come."""
    found = reasons(
        record(status, due=due, expires_at=deadline, waits_for=waits_for),
        pauses=tuple(Pause(scope=each, since=BEFORE) for each in scopes),
        queue=queue,
        host=None if trouble is None else host(trouble, SOON),
        sees_all=sees_all,
    )
    assert found
    assert all(each.text[0].isupper() and each.text.endswith(".") for each in found)
    assert all(each.until > NOW for each in found if each.until is not None)


def test_an_outcome_of_the_last_attempt_is_no_reason_to_be_shown_twice() -> None:
    """A task that succeeded after a failure tells its success only."""
    done = record(
        Status.SUCCEEDED,
        finished_at=NOW,
        error=None,
        attempts=(replace(LAST, finished_at=NOW, outcome=OutcomeKind.OK),),
    )
    assert [each.text for each in reasons(done)] == ["The task succeeded at 2026-01-01T12:00:00Z."]
