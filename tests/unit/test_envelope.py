"""The envelope: a task comes out as it went in, and what is no task is refused as unreadable."""

import base64
import json
from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import EnvelopeUnreadable, TaskInvalid
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.retries.rules import HeaderCondition, JsonCondition, Rule, RuleAction, When
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.envelope import (
    Envelope,
    decode_envelope,
    decode_task,
    encode_envelope,
)
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task, Validators
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_fields import ID_PATTERN
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import replace

LIMITS = TaskLimits()
RULES = TaskSettings()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://h/", timeout=30, max_attempts=5, retry=RetryPolicy(), created_at=NOW)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
tasks = st.builds(
    Task,
    id=st.from_regex(ID_PATTERN, fullmatch=True),
    url=texts,
    method=texts,
    headers=st.dictionaries(texts, texts, max_size=3),
    body=st.none() | texts,
    body_base64=st.none() | st.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode()),
    queue=st.sampled_from(DEFAULT_QUEUES),
    timeout=st.floats(0.001, 1e6),
    max_attempts=st.integers(1, 10_000),
    retry=st.builds(
        RetryPolicy,
        strategy=st.sampled_from(Strategy),
        base=st.floats(0, 1e6),
        cap=st.floats(0, 1e6),
        jitter=st.floats(0, 1),
        delays=st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    ),
    labels=st.dictionaries(texts, texts, max_size=3),
    retry_on=st.lists(st.integers(200, 999), max_size=3).map(tuple),
    fail_on=st.lists(st.integers(200, 999), max_size=3).map(tuple),
    retry_unsafe=st.booleans(),
    rules=st.lists(
        st.builds(
            Rule,
            when=st.builds(
                When,
                status=st.lists(st.integers(200, 999), min_size=1, max_size=3).map(tuple),
                header=st.builds(
                    HeaderCondition,
                    name=st.just("X-A"),
                    equals=st.lists(texts, min_size=1, max_size=2).map(tuple),
                ),
                json=st.builds(
                    JsonCondition,
                    path=st.sampled_from(["$", "$.a[0]['b c']"]),
                    equals=st.lists(
                        st.none() | st.booleans() | st.integers(-9, 9) | texts, min_size=1, max_size=3
                    ).map(tuple),
                ),
            ),
            then=st.sampled_from(RuleAction),
        ),
        max_size=2,
    ).map(tuple),
    created_at=moments,
    run_at=st.none() | moments,
    expires_at=st.none() | moments,
    callback=st.none()
    | st.builds(
        Callback,
        url=texts,
        secret=st.none() | texts,
        events=st.lists(st.sampled_from(Status)).map(tuple),
        timeout=st.floats(0.001, 1e6),
        max_attempts=st.integers(1, 10_000),
        retry=st.just(RetryPolicy(delays=(1.0, 2.0))),
    ),
    signed_by=st.none() | texts,
    tls=st.none() | texts,
    keep_until=st.none() | moments,
    validators=st.none()
    | st.builds(
        Validators, url=texts, etag=st.none() | texts, last_modified=st.none() | texts, task_id=texts
    ),
    traceparent=st.none() | texts,
    fairness_key=st.none() | texts,
)


@given(tasks, st.integers(1, 100_000))
def test_what_was_sealed_comes_out(task: Task, attempt: int) -> None:
    """The task and the attempt, and the stored form by itself."""
    encoded = encode(task)
    assert decode_task(encoded) == task
    assert decode_envelope(encode_envelope(encoded, attempt), LIMITS) == Envelope(attempt=attempt, task=task)


def test_the_wire_form_is_stable() -> None:
    """Envelopes of one version wait in the broker when the next one comes."""
    sealed = (
        b'{"v":1,"attempt":2,"task":{"id":"t","url":"http://h/","method":"GET","headers":{},'
        b'"queue":"medium","timeout":30.0,"max_attempts":5,"retry":{"strategy":"exponential","base":1.0,'
        b'"cap":300.0,"jitter":0.2,"delays":[]},"labels":{},"created_at":"2026-01-01T00:00:00+00:00"}}'
    )
    assert decode_envelope(sealed, LIMITS) == Envelope(attempt=2, task=TASK)


def test_a_foreign_message_is_a_draft() -> None:
    """Only a URL, and fields of the publisher's own."""
    draft = decode_envelope(b'{"url":"http://h/","x":1}', LIMITS)
    assert isinstance(draft, TaskDraft)
    assert draft.url == "http://h/"


def test_a_message_that_is_longer_than_any_task_is_not_parsed() -> None:
    """100 MB would hold up all else for seconds. The longest one, with each byte written as six, is taken."""
    huge = b'{"executor": "resize_image", "data": "' + b"x" * 100_000_000 + b'"}'
    with pytest.raises(EnvelopeUnreadable, match="the message is 100000040 bytes long, at most"):
        decode_envelope(huge, LIMITS)
    forged = b'{"v":1,"attempt":1,"task":"' + b"x" * 100_000_000 + b'"}'
    with pytest.raises(EnvelopeUnreadable, match="the message is 100000029 bytes long, at most"):
        decode_envelope(forged, LIMITS)
    longest = "\\u0041" * LIMITS.max_body_bytes
    draft = decode_envelope(b'{"url": "http://h/", "body": "%s"}' % longest.encode(), LIMITS)
    assert isinstance(draft, TaskDraft)
    assert draft.body == "A" * LIMITS.max_body_bytes


def test_a_task_that_was_accepted_under_higher_limits_is_read() -> None:
    """Else it would be a dead letter when they are lowered."""
    task = replace(TASK, body="\1" * 2 * LIMITS.max_body_bytes)
    assert decode_envelope(encode_envelope(encode(task), 1), LIMITS) == Envelope(attempt=1, task=task)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"garbage", "Invalid JSON"),
        (b"\x00\xff\xfe", "Invalid JSON"),
        (b"[]", "must be an object"),
        (b"{}", "url: is required"),
        (b'{"url":"ftp://h/"}', "url: must start with"),
        (b'{"url":"http://h/","timeout":-1}', "timeout: must be greater than 0"),
        (b'{"url":"http://h/","body":[NaN]}', "body: NaN is not JSON"),
        (b'{"url":"http://h/","run_at":"0001-01-01T00:00:00+14:00"}', "run_at: must lie between"),
        (b'{"v":1}', "missing required field `attempt`"),
        (b'{"v":1,"attempt":"one","task":{}}', "attempt: Expected `int`, got `str`"),
        (b'{"v":1,"attempt":1,"task":{"id":"x"}}', "task: Object missing required field `timeout`"),
        (b'{"v":1,"attempt":1,"task":', "Input data was truncated"),
    ],
)
def test_what_is_no_task_is_unreadable(raw: bytes, reason: str) -> None:
    """With the reason that the dead letter will show."""
    with pytest.raises(EnvelopeUnreadable) as caught:
        decode_envelope(raw, LIMITS)
    assert reason in str(caught.value)


@pytest.mark.parametrize("task_id", ["", "a b/../c", "x" * 129])
def test_an_envelope_with_an_id_that_no_task_can_have_is_unreadable(task_id: str) -> None:
    """Its record could not be asked for, and a list that has it on a page's end could not be turned."""
    task = Task(id=task_id, url="http://h/", timeout=1, max_attempts=1, retry=RetryPolicy(), created_at=NOW)
    with pytest.raises(EnvelopeUnreadable, match=r"task\.id: must be 1 to 128"):
        decode_envelope(encode_envelope(encode(task), 1), LIMITS)


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"timeout": nan}, "JSON is malformed"),
        ({"timeout": inf}, "JSON is malformed"),
        ({"timeout": 0}, "task.timeout: Expected `float` > 0"),
        ({"max_attempts": 0}, "task.max_attempts: Expected `int` >= 1"),
        ({"max_attempts": 2**31}, "task.max_attempts: Expected `int` <= 2147483647"),
        ({"created_at": "2026-01-01T00:00:00"}, "task.created_at: Expected `datetime` with a timezone"),
        ({"run_at": "2026-01-01T00:00:00"}, "task.run_at: Expected `datetime` with a timezone"),
        ({"expires_at": "2026-01-01T00:00:00"}, "task.expires_at: Expected `datetime` with a timezone"),
        ({"keep_until": "2026-01-01T00:00:00"}, "task.keep_until: Expected `datetime` with a timezone"),
        ({"queue": 7}, "task.queue: Expected `str`, got `int`"),
        ({"retry": {"base": nan}}, "JSON is malformed"),
        ({"retry": {"cap": 1e9}}, "task.retry.cap: Expected `float` <= 2592000"),
        ({"retry": {"jitter": 1.1}}, "task.retry.jitter: Expected `float` <= 1"),
        ({"retry": {"delays": [1, inf]}}, "JSON is malformed"),
        (
            {"rules": [{"when": {"status": "200"}, "then": "fail"}]},
            "task.rules[0].when.status: Expected `array | null`",
        ),
        ({"rules": [{"when": {"stauts": 200}, "then": "fail"}]}, "must have a condition"),
        ({"rules": [{"when": {}, "then": "fail"}]}, "must have a condition"),
        ({"rules": [{"when": {"json": {"path": "$..a"}}, "then": "fail"}]}, "must have only .name"),
        ({"callback": {"url": "u", "timeout": nan, "max_attempts": 1, "retry": {}}}, "JSON is malformed"),
        ({"callback": {"url": "u", "timeout": 1, "max_attempts": 0, "retry": {}}}, "Expected `int` >= 1"),
    ],
    ids=str,
)
def test_an_envelope_beyond_the_bounds_of_a_task_is_unreadable(odd: dict[str, Any], reason: str) -> None:
    """What no draft may say cannot come in as an envelope of ours either."""
    raw = json.dumps({"v": 1, "attempt": 1, "task": {**json.loads(encode(TASK)), **odd}})
    with pytest.raises(EnvelopeUnreadable) as caught:
        decode_envelope(raw.replace('{"v": 1', '{"v":1').encode(), LIMITS)
    assert reason in str(caught.value)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["\ud800", "\x00", 10**400, "2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00"]),
    lambda part: st.lists(part, max_size=2) | st.dictionaries(texts, part, max_size=2),
    max_leaves=4,
)
members = st.dictionaries(st.sampled_from(sorted(TaskDraft.model_fields)), anything, max_size=3)
foreign = members.map(lambda odd: {"url": "http://h/", **odd})
own = st.tuples(st.just(1) | anything, members).map(
    lambda odd: {"v": 1, "attempt": odd[0], "task": {**json.loads(encode(TASK)), **odd[1]}}
)


@given(foreign | own)
def test_members_of_any_type_make_a_task_that_can_be_stored_or_are_refused(message: dict[str, Any]) -> None:
    """A record that could not be read again would spoil every list it is in."""
    raw = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        opened = decode_envelope(raw, LIMITS)
        task = opened.task if isinstance(opened, Envelope) else opened.to_task(RULES, task_id="t", now=NOW)
    except (EnvelopeUnreadable, TaskInvalid):
        return
    assert decode_task(encode(task)) == task
    assert from_ms(to_ms(task.run_at or NOW)) is not None
    assert task.content is None or isinstance(task.content, bytes)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda raw: b'{"v":' + raw))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    """A consumer survives whatever is on the queue."""
    try:
        opened = decode_envelope(raw, LIMITS)
    except EnvelopeUnreadable:
        return
    assert isinstance(opened, Envelope | TaskDraft)
