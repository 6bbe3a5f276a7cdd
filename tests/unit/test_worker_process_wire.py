"""The wire between a process and its process: everything arrives as it was, however it is cut up."""

from dataclasses import MISSING, fields
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.consumer.processes.wire import (
    Order,
    Unframer,
    frame,
    pack_outcome,
    pack_task,
    unpack_outcome,
    unpack_task,
)
from taskrunner.domain.callback import Callback
from taskrunner.domain.outcome import Outcome, OutcomeKind, Response, Timings
from taskrunner.domain.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.rules import JsonCondition, Rule, RuleAction, When
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority, Task, Validators

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TASK = Task(
    id="t",
    url="http://a/ü",
    method="POST",
    headers={"a": "b"},
    body="text",
    body_base64="AA==",
    priority=Priority.HIGH,
    timeout=1.5,
    max_attempts=3,
    retry=RetryPolicy(strategy=Strategy.LINEAR, base=2.0, cap=9.0, jitter=0.5, delays=(1.0, 2.0)),
    labels={"c": "d"},
    created_at=NOW,
    run_at=NOW,
    expires_at=NOW,
    retry_on=(404, 410),
    fail_on=(503,),
    retry_unsafe=True,
    rules=(
        Rule(
            when=When(status=(200,), json=JsonCondition(path="$.a", equals=(None, True, 1))),
            then=RuleAction.THROTTLE,
        ),
    ),
    callback=Callback(
        url="http://c/",
        secret="s",
        events=(Status.FAILED,),
        timeout=2.0,
        max_attempts=4,
        retry=RetryPolicy(delays=(7.0,)),
        tls="u",
    ),
    signed_by="s",
    tls="t",
    validators=Validators(url="http://a/", etag='"e"', last_modified="d", task_id="u"),
    keep_until=NOW,
    traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01",
)
RESPONSE = Response(
    status=404,
    headers=(("a", "b"), ("a", "c")),
    content_type="text/plain",
    size_bytes=5,
    sha256="ab",
    timings=Timings(dns=1.0, connect=2.0, tls=3.0, first_byte=4.0, total=5.0),
    body=b"\x00\xff",
    truncated=True,
    url="http://b/",
    redirects=2,
    http_version="2",
    unchanged=True,
)
OUTCOME = Outcome(
    kind=OutcomeKind.HTTP_ERROR,
    error="no",
    response=RESPONSE,
    retry_after=7.0,
    retryable=False,
    counted=False,
    sent=False,
    rule=3,
    address="203.0.113.1:80",
    timings=RESPONSE.timings,
    of_host=False,
)


@pytest.mark.parametrize("value", [TASK, TASK.retry, TASK.callback, OUTCOME, RESPONSE, RESPONSE.timings])
def test_the_samples_leave_no_field_at_its_default(value: Any) -> None:
    """So that a field that is added later and has no place on the wire fails the tests below."""
    for field in fields(value):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        assert default is MISSING or getattr(value, field.name) != default, field.name


def test_a_task_arrives_whole() -> None:
    (item,) = Unframer().feed(frame(Order.RUN, pack_task(TASK)))
    assert unpack_task(item[1]) == TASK


def test_an_outcome_arrives_whole() -> None:
    (item,) = Unframer().feed(frame(Order.RUN, pack_outcome(OUTCOME)))
    assert unpack_outcome(item[1]) == OUTCOME


def test_values_that_are_not_there_stay_away() -> None:
    task = Task(id="t", url="http://a/", timeout=1.0, max_attempts=1, retry=RetryPolicy(), created_at=NOW)
    assert unpack_task(pack_task(task)) == task
    outcome = Outcome(kind=OutcomeKind.TIMEOUT, error="late")
    assert unpack_outcome(pack_outcome(outcome)) == outcome


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    data = b"".join(frame(Order.RESIZE, number) for number in range(20))
    unframer = Unframer()
    items = [
        item for start in range(0, len(data), size) for item in unframer.feed(data[start : start + size])
    ]
    assert items == [(Order.RESIZE, number) for number in range(20)]


def test_only_plain_values_are_framed() -> None:
    with pytest.raises(ValueError, match="unmarshallable"):
        frame(Order.KIT, object())
