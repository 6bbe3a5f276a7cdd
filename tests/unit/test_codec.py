"""The codec: every value comes back as it was, written from its own fields."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest

from taskrunner.domain.codec import Decoder, encode, pack, storable
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.retries.rules import JsonCondition, Rule, RuleAction, RulesUnreadable, When
from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.dedup import Dedup, DedupMode
from taskrunner.domain.tasks.outcome import Hop, Outcome, OutcomeKind, Response, Timings
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Redirects, Task, Validators
from taskrunner.domain.value import Value, replace

NOW = datetime(2031, 5, 6, 7, 8, 9, 123456, UTC)
TASK = Task(
    id="t",
    executor="e",
    url="http://a/ü",
    method="POST",
    headers={"a": "b"},
    body="text",
    body_base64="AA==",
    queue="high",
    timeout=1.5,
    max_attempts=3,
    retry=RetryPolicy(strategy=Strategy.LINEAR, base=2.0, cap=9.0, jitter=0.5, delays=(1.0, 2.0)),
    labels={"c": "d"},
    created_at=NOW,
    run_at=NOW,
    expires_at=NOW,
    dedup=Dedup(key="k", ttl=60.0, mode=DedupMode.REJECT),
    retry_on=(404, 410),
    fail_on=(503,),
    retry_unsafe=True,
    redirects=Redirects.KEEP,
    rules_unreadable=RulesUnreadable.FAIL,
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
    fairness_key="f",
    retention=5.0,
    is_dead_letter=False,
    created_by="k",
    tls="t",
    auth="a",
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
    undecodable=True,
    headers_truncated=True,
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
    due_in=9.0,
    retryable=False,
    counted=False,
    sent=False,
    rule=3,
    rule_unasked=True,
    shortage=True,
    address="203.0.113.1:80",
    timings=RESPONSE.timings,
    hops=(Hop(method="POST", url="http://a/", status=303), Hop(method="GET", url="http://b/")),
    refusal=DialRefusal.PORT,
    of_host=False,
)
ATTEMPT = Attempt(
    number=3,
    started_at=NOW,
    finished_at=NOW,
    outcome=OutcomeKind.HTTP_ERROR,
    status_code=503,
    error="ü",
    counted=False,
    consumer="host:1:a",
    address="[2001:db8::1]:443",
    timings=RESPONSE.timings,
    hops=OUTCOME.hops,
    response=replace(RESPONSE, body=b""),
)
VALUES = [TASK, OUTCOME, ATTEMPT, RESPONSE]


@pytest.mark.parametrize("value", [*VALUES, TASK.retry, TASK.callback, TASK.validators, RESPONSE.timings])
def test_the_samples_leave_no_field_at_its_default(value: Value) -> None:
    """So that the tests below see each field."""
    for each in msgspec.structs.fields(type(value)):
        default = each.default if each.default_factory is msgspec.NODEFAULT else each.default_factory()
        assert default is msgspec.NODEFAULT or getattr(value, each.name) != default, each.name


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_whole(value: Value) -> None:
    """From JSON, and from another process."""
    decoder: Decoder[Any] = Decoder(type(value))
    assert decoder.decode(encode(value)) == value
    assert decoder.unpack(pack(value)) == value


def test_a_field_at_its_default_is_not_written() -> None:
    """A waiting task costs memory in the store for each byte."""
    attempt = Attempt(number=1, started_at=NOW)
    assert orjson.loads(encode(attempt)).keys() == {"number", "started_at"}
    assert Decoder(Attempt).decode(encode(attempt)) == attempt


def test_a_retry_policy_is_written_in_full() -> None:
    """Its defaults may change in a later version; those of a waiting task must not."""
    assert orjson.loads(encode(RetryPolicy())).keys() == {"strategy", "base", "cap", "jitter", "delays"}


def test_a_newer_versions_fields_are_passed_over() -> None:
    """A rollback can read what the newer version wrote."""
    newer = orjson.dumps(orjson.loads(encode(ATTEMPT)) | {"mood": "good"})
    assert Decoder(Attempt).decode(newer) == ATTEMPT


@pytest.mark.parametrize(
    "write",
    [
        lambda value: Decoder(Response).decode(encode(value)),
        lambda value: Decoder(Response).unpack(pack(value)),
    ],
)
def test_text_that_utf8_cannot_hold(write: Any) -> None:
    """Half a surrogate pair becomes a question mark, and the rest stays."""
    odd = replace(RESPONSE, headers=(("x\ud800", "ü\udfff"),))
    assert write(odd) == replace(odd, headers=(("x?", "ü?"),))
    assert storable("a\ud800ü") == "a?ü"
