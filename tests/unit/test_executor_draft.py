"""The draft of a task that names an executor: its data as it was spelt, and the executor's policies."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.codec import encode
from taskrunner.domain.errors import (
    EnvelopeUnreadable,
    ExecutorDisabled,
    ScheduleInvalid,
    StoreUnavailable,
    TaskInvalid,
)
from taskrunner.domain.executors.executor_draft import ExecutorDraft
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.envelope import decode_envelope, encode_envelope
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.tasks.write_concern import WriteConcern
from tests.tools.executors import executor, with_executors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://example.com/"
SETTINGS = with_executors(executor())


def task_of(raw: str, settings: TaskSettings = SETTINGS) -> Task:
    return TaskDraft.from_json(raw, settings.limits).to_task(settings, task_id="new", now=NOW)


def findings(raw: str, settings: TaskSettings = SETTINGS) -> list[str]:
    with pytest.raises(TaskInvalid) as caught:
        task_of(raw, settings)
    return [str(each) for each in caught.value.errors]


@pytest.mark.parametrize(
    "data",
    [
        '{"width" : 80.0}',
        "[1, 2]",
        '"text \\u00e9 \\"quoted\\""',
        '"a\\ud800b"',
        "1e400",
        "-0.0",
        "123456789012345678901234567890",
        "true",
        "false",
        "0",
        "{}",
        '""',
        '{"id":"resize_image","data":{"data":[1]}}',
    ],
)
def test_data_stays_as_it_was_spelt(data: str) -> None:
    """Any JSON, with the digits, blanks and escapes of its sender."""
    task = task_of(f'{{"data": {data}, "executor":"resize_image","labels":{{"data":"x"}}}}')
    assert (task.executor, task.url, task.body) == ("resize_image", None, data)
    assert decode_envelope(encode_envelope(encode(task), 1), TaskLimits()) is not None


@pytest.mark.parametrize("name", ["data", r"d\u0061ta", r"\u0064\u0061\u0074\u0061"])
@pytest.mark.parametrize("data", ['{"a": 1.10}', "[ ]", '":"', '"x"', "1e2", "true"])
def test_the_name_of_data_may_be_spelt_with_escapes(name: str, data: str) -> None:
    assert task_of(f'{{"executor":"resize_image","{name}":{data}}}').body == data
    assert task_of(f'{{"{name}":{data},"executor":"resize_image"}}').body == data
    (finding,) = findings(f'{{"url":"http://a.example/","{name}":{data}}}')
    assert "data is for an executor" in str(finding)


@pytest.mark.parametrize("name", ["schema", r"sch\u0065ma"])
def test_the_name_of_a_schema_may_be_spelt_with_escapes(name: str) -> None:
    draft = ExecutorDraft.from_json(f'{{"kind":"python","{name}":{{"maximum": 1.0}}}}', TaskLimits())
    assert draft.data_schema == '{"maximum": 1.0}'


@pytest.mark.parametrize("raw", ['{"executor":"resize_image"}', '{"executor":"resize_image","data":null}'])
def test_no_data_and_null_are_the_same(raw: str) -> None:
    assert task_of(raw).body is None


def test_an_object_may_have_a_member_of_any_name_twice_only_in_its_data() -> None:
    """As in a body: what is not ours goes on as it came."""
    assert task_of('{"executor":"resize_image","data":{"a":1,"a":2}}').body == '{"a":1,"a":2}'
    assert findings('{"executor":"resize_image","data":1,"data":2}')
    assert findings('{"executor":"resize_image","executor":"b","data":{}}')


def test_a_schedule_takes_what_a_submit_takes() -> None:
    """Its task's data, as it was spelt; a member of ours counts once."""
    for data in ('{"a":1,"a":2}', '":"', "1e2"):
        task = f'{{"executor":"resize_image","d\\u0061ta":{data}}}'
        draft = ScheduleDraft.from_json(f'{{"cron":"* * * * *","task":{task}}}', TaskLimits())
        assert task_of(draft.task).body == data
    for twice in ('"data":1,"data":1', '"retry":{"base":1,"base":2}', '"executor":"b"'):
        task = f'{{"executor":"resize_image",{twice}}}'
        with pytest.raises(ScheduleInvalid, match="more than once"):
            ScheduleDraft.from_json(f'{{"cron":"* * * * *","task":{task}}}', TaskLimits())


def test_policies_of_the_executor_are_the_defaults_of_its_tasks() -> None:
    policy = RetryPolicy(strategy=Strategy.LINEAR, base=3)
    settings = with_executors(
        executor(retry=policy, max_attempts=7, timeout=11, queue="low", write_concern=WriteConcern.STORE)
    )
    task = task_of('{"executor":"resize_image"}', settings)
    assert (task.retry, task.max_attempts, task.timeout, task.queue) == (policy, 7, 11, "low")
    draft = TaskDraft.from_json('{"executor":"resize_image"}', settings.limits)
    assert draft.effective_write_concern(settings) is WriteConcern.STORE


def test_fields_of_the_task_win() -> None:
    settings = with_executors(executor(retry=RetryPolicy(base=3), max_attempts=7, timeout=11, queue="low"))
    given = {"max_attempts": 2, "timeout": 5, "priority": "high", "retry": {"cap": 20}}
    task = task_of(json.dumps({"executor": "resize_image", **given}), settings)
    assert (task.max_attempts, task.timeout, task.queue) == (2, 5, "high")
    assert (task.retry.base, task.retry.cap) == (3, 20)


def test_an_unknown_executor_is_told_with_the_closest_name() -> None:
    found = findings('{"executor":"resize_imag"}')
    assert found == ["""executor: there is no executor 'resize_imag', did you mean "resize_image"?"""]
    assert findings('{"executor":"zzz"}') == ["executor: there is no executor 'zzz'; create it first"]


def test_a_disabled_executor_takes_no_new_tasks() -> None:
    with pytest.raises(ExecutorDisabled, match="resize_image is disabled"):
        task_of('{"executor":"resize_image"}', with_executors(executor(enabled=False)))


def test_while_the_executors_are_not_known_a_task_may_come_again() -> None:
    """A task is neither refused nor accepted unchecked because the store was away at the start."""
    with pytest.raises(StoreUnavailable):
        task_of('{"executor":"resize_image"}', TaskSettings())


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, "url: is required, unless executor is given"),
        ({"data": 1}, "url: is required, unless executor is given"),
        ({"url": URL, "data": 1}, "data is for an executor; name it in executor, or give a body"),
        (
            {"executor": "Resize"},
            "executor: must be 1 to 64 small letters, digits and _, a letter first, got 'Resize'",
        ),
        ({"executor": "resize_image", "url": URL}, "url is not for a task of an executor"),
        ({"executor": "resize_image", "body": "x"}, "body is not for a task of an executor"),
        ({"executor": "resize_image", "body_base64": "eA=="}, "body_base64 is not for a task of an executor"),
        (
            {"executor": "resize_image", "method": "GET"},
            "method: is for HTTP, and resize_image is of the kind",
        ),
        (
            {"executor": "resize_image", "rules": []},
            "rules: is for HTTP, and resize_image is of the kind python",
        ),
    ],
)
def test_what_does_not_fit_is_told(fields: dict[str, Any], found: str) -> None:
    assert findings(json.dumps(fields))[0].startswith(found)


def test_data_has_the_limits_of_a_body() -> None:
    limits = TaskLimits(max_body_bytes=10)
    settings = with_executors(executor(), settings=TaskSettings(limits=limits))
    assert findings('{"executor":"resize_image","data":"123456789"}', settings) == [
        "data: is 11 bytes long, at most 10 are allowed"
    ]
    deep = "[" * 33 + "]" * 33
    assert findings(f'{{"executor":"resize_image","data":{deep}}}') == ["data: is nested more than 32 deep"]


def test_an_envelope_needs_a_url_or_an_executor() -> None:
    """Anybody can forge one."""
    task = task_of('{"executor":"resize_image"}')
    raw = encode_envelope(encode(task).replace(b'"executor":"resize_image",', b""), 1)
    with pytest.raises(EnvelopeUnreadable, match=r"task\.url: is required"):
        decode_envelope(raw, TaskLimits())


def test_data_is_checked_by_the_schema_of_the_executor() -> None:
    """Each finding has the place in the data and the rule in the schema."""
    schema = '{"type":"object","properties":{"width":{"type":"integer"}},"required":["width"]}'
    settings = with_executors(executor(schema=schema))
    assert task_of('{"executor":"resize_image","data":{"width":80}}', settings).body == '{"width":80}'
    with pytest.raises(TaskInvalid) as caught:
        task_of('{"executor":"resize_image","data":{"width":"80"}}', settings)
    (finding,) = caught.value.errors
    assert (finding.field, finding.rule) == ("data/width", "/properties/width/type")
    assert findings('{"executor":"resize_image"}', settings)[0].startswith("data: ")


def test_a_schema_that_is_no_longer_taken_is_told() -> None:
    """An older version may have stored it."""
    settings = with_executors(executor(schema='{"type": "objekt"}'))
    (found,) = findings('{"executor":"resize_image"}', settings)
    assert found.startswith(
        "executor: the schema of resize_image cannot be used any more: it is not a JSON Schema"
    )
