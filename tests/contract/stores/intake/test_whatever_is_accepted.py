"""What the door accepts, every later stage accepts, unchanged: envelope, record, callback, schedule, HAR."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from taskrunner.api.har import archive
from taskrunner.api.views.attempt import AttemptDetail
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from taskrunner.domain.retries.rules import RuleAction, RulesUnreadable
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.envelope import Envelope, decode_envelope, encode_envelope
from taskrunner.domain.tasks.follow_up import End, follow_ups
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Redirects, Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW, claim, entry, fetch, ref, settle, settling
from tests.tools.examples import share
from tests.tools.executors import executor, with_executors

# `anywhere` needs to be named, `bound` is for one host; of each a secret and a TLS profile.
LIMITS = TaskLimits(
    callback_secrets={"anywhere": ("*",), "bound": ("example.com",)},
    tls_profiles={"anywhere": (), "bound": ("example.com",)},
)
TASK_SETTINGS = with_executors(
    executor("resize_image"),
    executor("send_order", ExecutorKind.HTTP, url="https://example.com/orders/", headers={"X-Api": "1"}),
    settings=TaskSettings(limits=LIMITS),
)

MASKING = Masking()

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
URLS = st.sampled_from(
    [
        "http://example.com",
        "HTTP://EXAMPLE.com:080/a%2fb?",
        "https://example.com/?x=%ff&y=%00&sig=a/b+c==",
        "https://xn--bcher-kva.example/%E4%B8%AD",
        "https://b\u00fccher.example./\u4e2d?\u4e2d",
        "http://-a-.example.com:65535/;a=b//../c",
        "http://203.0.113.9/",
        "http://[2001:db8::1]:8080/#fragment",
        "https://example.com/" + "a" * 1500,
    ]
)
# Both ends of what a time may be, leap days, other zones, fractions of every length.
TIMES = st.sampled_from(
    [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "0001-01-01T00:00:00Z",
        "2031-05-06T07:08:09.123456789+14:00",
        "2032-02-29T23:59:59-12:00",
        "2035-01-01t00:00:00z",
        "9998-12-31T23:59:59.999999Z",
        "9998-12-31T23:59:59-23:59",
    ]
) | st.datetimes(datetime(1970, 1, 2), datetime(2035, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LISTS, OBJECTS = st.lists(JSON, max_size=3), st.dictionaries(TEXT, JSON, max_size=3)
BASE64 = st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode())
BODIES = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"body": TEXT | st.lists(JSON, max_size=3) | st.dictionaries(TEXT, JSON, max_size=3)}
    ),
    st.fixed_dictionaries(
        {"body_base64": st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode())}
    ),
)
STATUSES = st.integers(200, 999) | st.lists(st.integers(200, 999), min_size=1, max_size=4)
SCALARS = (
    TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
WHENS = st.one_of(
    st.fixed_dictionaries({"status": STATUSES}),
    st.fixed_dictionaries(
        {"header": st.fixed_dictionaries({"name": st.just("X-State")}, optional={"equals": TEXT})}
    ),
    st.fixed_dictionaries(
        {
            "json": st.fixed_dictionaries(
                {"path": st.sampled_from(["$", "$.a[0]['b c'][-1]", "$.\u4e2d"])},
                optional={"equals": SCALARS | st.none() | st.lists(SCALARS, min_size=1, max_size=3)},
            )
        }
    ),
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True)
SECONDS = st.floats(0, 3600) | st.integers(0, 3600) | st.sampled_from([0.001, 1e-9, 59.999999999])
RETRIES = st.fixed_dictionaries(
    {},
    optional={
        "strategy": st.sampled_from(["constant", "linear", "exponential"]),
        "base": SECONDS,
        "cap": SECONDS,
        "jitter": st.floats(0, 1),
        "delays": st.lists(SECONDS, min_size=1, max_size=4),
    },
)
EVENTS = st.lists(st.sampled_from(["succeeded", "failed", "cancelled"]), min_size=1, unique=True)
CONFIGURED = st.sampled_from(["anywhere", "bound"])
CALLBACKS = st.fixed_dictionaries(
    {"url": URLS}, optional={"events": EVENTS, "secret": CONFIGURED, "tls": CONFIGURED}
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "method": st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    "headers": st.dictionaries(
        NAMES.map(lambda name: f"X-{name}"),
        st.sampled_from(["", "a b", "\u00fc", "Bearer s3cret", "a\tb"]),
        max_size=3,
    ),
    "priority": st.sampled_from(DEFAULT_QUEUES),
    "expires_at": TIMES,
    "timeout": st.floats(0.001, 300) | st.integers(1, 300),
    "max_attempts": st.integers(1, 20),
    "retry": RETRIES,
    "retry_on": st.lists(st.integers(200, 499), max_size=4),
    "fail_on": st.lists(st.integers(500, 999), max_size=4),
    "retry_unsafe": st.booleans(),
    "redirects": st.sampled_from([each.value for each in Redirects]),
    "rules": st.lists(
        st.fixed_dictionaries({"when": WHENS, "then": st.sampled_from([each.value for each in RuleAction])}),
        max_size=3,
    ),
    "rules_unreadable": st.sampled_from([each.value for each in RulesUnreadable]),
    "labels": st.dictionaries(NAMES, TEXT, max_size=3),
    "fairness_key": st.sampled_from(["customer 7", "!", "k" * 255]),
    "tls": CONFIGURED,
    "callback": CALLBACKS,
    "traceparent": st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
}
STARTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.fixed_dictionaries({"run_at": TIMES}), st.fixed_dictionaries({"delay": SECONDS})
)


def fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields without names of secrets and profiles that are not for their URL, which the door refuses."""
    url = fields.get("url", "https://example.com/")
    bound_fits, is_https = url.startswith("https://example.com/"), url.startswith("https:")
    kept = {
        name: value
        for name, value in fields.items()
        if not (name in {"secret", "tls"} and value == "bound" and not bound_fits)
        and not (name == "tls" and not is_https)
    }
    return {**kept, "callback": fitting(kept["callback"])} if "callback" in kept else kept


GIVEN = st.builds(
    lambda url, fields, body, start: {"url": url, **fields, **body, **start},
    URLS,
    st.fixed_dictionaries({}, optional=FIELDS),
    BODIES,
    STARTS,
).map(fitting)
EXECUTORS = st.builds(
    lambda executor, data, fields, start: {**executor, **data, **fields, **start},
    st.sampled_from([{"executor": "resize_image"}, {"executor": "send_order"}]),
    st.fixed_dictionaries({}, optional={"data": JSON}),
    st.fixed_dictionaries(
        {}, optional={name: FIELDS[name] for name in ("expires_at", "timeout", "retry", "labels", "callback")}
    ),
    STARTS,
).map(fitting)
_PER_RUN = ("run_at", "delay", "expires_at", "traceparent")


def task_of(text: str, task_id: str = "s") -> Task:
    return TaskDraft.from_json(text, LIMITS).to_task(TASK_SETTINGS, task_id=task_id, now=NOW)


def accepted(fields: dict[str, Any]) -> Task | None:
    """The task that the door makes of the fields; None if it refuses them."""
    try:
        return TaskDraft.from_json(json.dumps(fields), LIMITS).to_task(
            TASK_SETTINGS, task_id=new_task_id(), now=NOW
        )
    except TaskInvalid:
        return None


def assert_envelope_keeps(task: Task) -> None:
    read = decode_envelope(encode_envelope(encode(task), 1), LIMITS)
    assert isinstance(read, Envelope)
    assert read.task == task
    assert encode(read.task) == encode(task)


async def assert_archive_keeps(store: Store, task: Task) -> None:
    """After an attempt, the HAR has the request as it was given, with what may be secret masked."""
    await claim(store, [ref(task.id)])
    if task.expires_at is not None and task.expires_at <= NOW:
        return  # no attempt starts after the deadline
    assert await settle(store, settling(task.id, 1, Status.FAILED))
    record = await fetch(store, task.id)
    assert encode(record.task) == encode(task)
    detail = AttemptDetail.of_record(record, 1, MASKING, user_agent="agent")
    entries = json.loads(encode(archive([detail])))["log"]["entries"]
    if task.url is None:
        assert not entries
        return
    (kept,) = entries
    request = kept["request"]
    assert (request["method"], request["url"]) == (task.method, masked_url(task.url))
    assert request["bodySize"] == len(task.content or b"")
    assert kept["comment"].startswith(f"task {task.id}, attempt 1: ")
    sent = {each["name"]: each["value"] for each in request["headers"]}
    assert sent.items() >= MASKING.headers(task.headers).items()


# The door refuses many combinations, such as two times in the wrong order: the strategy finds others.
@settings(
    max_examples=share(1 / 2),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(GIVEN | EXECUTORS)
async def test_whatever_the_door_accepts_comes_out_unchanged(store: Store, fields: dict[str, Any]) -> None:
    """Fields of each kind, at both ends of what they may be."""
    task = accepted(fields)
    assume(task is not None)
    assert task is not None
    assert_envelope_keeps(task)

    await store.accept([entry(task, due=NOW)])
    record = await fetch(store, task.id)
    assert encode(record.task) == encode(task)
    assert record.task == task

    end = End(
        task=task, status=Status.FAILED, attempt=1, error="no", outcome=None, now=NOW + timedelta(days=1)
    )
    for report in follow_ups(end, ()):
        assert_envelope_keeps(report.task)
        assert json.loads(report.task.content or b"")
        assert task.callback is not None
        assert (report.task.signed_by, report.task.tls) == (task.callback.secret, task.callback.tls)

    await assert_archive_keeps(store, task)

    template = {name: value for name, value in fields.items() if name not in _PER_RUN}
    draft = ScheduleDraft.from_json(json.dumps({"cron": "@daily", "task": template}), LIMITS)
    again = TaskDraft.from_json(draft.to_schedule("s", now=NOW).task, LIMITS)
    plain = TaskDraft.from_json(json.dumps(template), LIMITS)
    assert again.to_task(TASK_SETTINGS, task_id="s", now=NOW) == plain.to_task(
        TASK_SETTINGS, task_id="s", now=NOW
    )
