"""Selections: each condition is met by what it names and by nothing else; what cannot be read is told."""

from datetime import UTC, datetime, timedelta

import pytest

from taskrunner.domain.errors import FilterInvalid
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import Attempt, DeadLetter, DeadLetterKind, Record, dead_task
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import (
    CONDITIONS,
    LETTER_CONDITIONS,
    TaskFilter,
    dead_letter_facts,
    read_filter,
    task_facts,
)
from taskrunner.domain.value import replace

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
TASK = Task(
    id="task",
    url="https://Target.example:8443/path",
    timeout=30.0,
    max_attempts=3,
    retry=RetryPolicy(),
    labels={"team": "red", "empty": ""},
    created_by="web",
    queue="high",
    created_at=NOW - timedelta(days=2),
)
FAILED = Record(
    task=TASK,
    status=Status.FAILED,
    attempt=1,
    attempt_limit=3,
    due=None,
    attempts=(Attempt(number=1, started_at=NOW, finished_at=NOW, outcome=OutcomeKind.TIMEOUT),),
    result=None,
    error="no answer",
    updated_at=NOW - timedelta(hours=1),
    finished_at=NOW - timedelta(hours=1),
    kept_until=None,
)
MESSAGE = DeadLetter(
    id="message-1", kind=DeadLetterKind.MESSAGE, reason="rejected", error=None, died_at=NOW, url="http://[x"
)

MET = [
    {"status": "failed"},
    {"queue": "high"},
    {"label": "team"},
    {"label": "team=red"},
    {"label": "empty="},
    {"label_text": "red"},
    {"label_text": "EA"},
    {"label_text": "mpt"},
    {"host": "target.EXAMPLE"},
    {"host": "target.example:8443"},
    {"executor": "http"},
    {"outcome": "timeout"},
    {"reason": "timeout"},
    {"created_by": "web"},
    {"created_after": "3d"},
    {"created_before": "2031-05-05T00:00:00Z"},
    {"finished_after": "3600s", "finished_before": "59m"},
    {"finished_after": "2031-05-06T08:00:00+02:00"},
]
UNMET = [
    {"status": "succeeded"},
    {"queue": "low"},
    {"label": "colour"},
    {"label": "team=blue"},
    {"label": "team="},
    {"label_text": "blue"},
    {"label_text": "team=red"},
    {"host": "example"},
    {"host": "target.example:8080"},
    {"executor": "smtp"},
    {"outcome": "ok"},
    {"reason": "rejected"},
    {"created_by": "we"},
    {"created_after": "1d"},
    {"created_before": "2d"},
    {"finished_after": "59m"},
    {"finished_before": "1h"},
]
UNREADABLE = [
    ({"status": "done"}, "must be one of"),
    ({"queue": "no name"}, "must be 1 to 64 letters"),
    ({"outcome": "bad"}, "must be one of"),
    ({"label": "=red"}, "NAME=VALUE"),
    ({"host": ""}, "must not be empty"),
    ({"label_text": ""}, "must not be empty"),
    ({"label_text": "a" * 101}, "must be at most 100 characters, got 101"),
    *(
        ({"created_by": name}, "must be 1 to 63 lower-case letters")
        for name in ("", "Web", "a~b", "web~", " web", "web\n", "é", "-a", "a" * 64)
    ),
    ({"created_after": "5"}, "an age such as 7d"),
    ({"created_after": "yesterday"}, "an age such as 7d"),
    ({"created_after": "2031-05-06T08:00:00"}, "with an offset"),
    ({"finished_before": "999999999d"}, "an age"),
]


def read(given: dict[str, str]) -> TaskFilter:
    return read_filter({name: [value] for name, value in given.items()}, now=NOW)


@pytest.mark.parametrize("given", MET, ids=str)
def test_a_condition_is_met(given: dict[str, str]) -> None:
    """By a task, and where it applies by its dead letter."""
    assert read(given).matches(task_facts(FAILED))
    if "status" not in given:
        assert read(given).matches(dead_letter_facts(dead_task(FAILED)))


@pytest.mark.parametrize("given", UNMET, ids=str)
def test_a_condition_is_not_met(given: dict[str, str]) -> None:
    assert not read(given).matches(task_facts(FAILED))
    assert not read(given).matches(dead_letter_facts(dead_task(FAILED)))


def test_all_conditions_must_hold() -> None:
    facets = task_facts(FAILED)
    assert read_filter({"label": ["team=red", "empty"], "queue": ["high"]}, now=NOW).matches(facets)
    assert not read_filter({"label": ["team=red", "more"]}, now=NOW).matches(facets)
    assert not read({"queue": "high", "status": "queued"}).matches(facets)


def test_no_condition_is_met_by_all() -> None:
    assert read({}).is_empty
    assert read({}).matches(task_facts(FAILED))
    assert read({}).matches(dead_letter_facts(MESSAGE))
    assert not read({"queue": "high"}).is_empty


def test_a_live_task_has_not_finished() -> None:
    live = replace(FAILED, status=Status.QUEUED, finished_at=None)
    assert not read({"finished_before": "0s"}).matches(task_facts(live))


def test_a_message_meets_what_is_known_of_it() -> None:
    facets = dead_letter_facts(MESSAGE)
    assert read({"reason": "rejected", "finished_after": "1h"}).matches(facets)
    for given in ({"host": "x"}, {"created_before": "0s"}, {"label": "team"}, {"outcome": "ok"}):
        assert not read(given).matches(facets)


@pytest.mark.parametrize(("given", "message"), UNREADABLE, ids=str)
def test_what_cannot_be_read_is_told(given: dict[str, str], message: str) -> None:
    with pytest.raises(FilterInvalid, match=message) as caught:
        read(given)
    assert [error.field for error in caught.value.errors] == list(given)


def test_all_findings_are_told_at_once() -> None:
    with pytest.raises(FilterInvalid) as caught:
        read_filter({"status": ["a"], "queue": ["high", "low"], "host": ["x"]}, now=NOW)
    assert [error.field for error in caught.value.errors] == ["status", "queue"]


def test_every_condition_is_tested() -> None:
    """And a dead letter knows all of them but the status."""
    assert {name for given in MET for name in given} == set(CONDITIONS)
    assert set(CONDITIONS) - set(LETTER_CONDITIONS) == {"status"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://a.test/", "a.test:443"),
        ("http://a.test/", "a.test:80"),
        ("http://a.test:443/", "a.test:443"),
    ],
)
def test_a_host_may_be_asked_for_with_the_port_that_its_scheme_has(url: str, host: str) -> None:
    selection = read({"host": host})
    assert selection.matches(task_facts(replace(FAILED, task=replace(TASK, url=url))))
    elsewhere = replace(TASK, url="https://a.test:8443/")
    assert not selection.matches(task_facts(replace(FAILED, task=elsewhere)))
