"""Validators: what a run leaves to the one after it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.errors import ScheduleInvalid
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.cache_validators import condition, validators_after
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task, Validators
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from tests.tools.fetching import make_task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://a.example/feed"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
OLD = Validators(url=URL, etag='"old"', task_id="earlier")
TASK = make_task(URL, id="before", headers={"Accept": "text/html"})


def record(task: Task, status: Status, response: Response | None) -> Record:
    return Record(
        task=task,
        status=status,
        attempt=1,
        attempt_limit=5,
        due=None,
        attempts=(),
        result=response,
        error=None,
        updated_at=NOW,
        finished_at=None,
        kept_until=None,
    )


def answer(status: int = 200, *, url: str = URL, **headers: str) -> Response:
    lines = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status=status, headers=lines, url=url)


def after(response: Response | None, status: Status = Status.SUCCEEDED, **changes: Any) -> Validators | None:
    """What a next run of the same task gets, which came with `OLD`."""
    return validators_after(record(replace(TASK, validators=OLD), status, response), replace(TASK, **changes))


@pytest.mark.parametrize(
    ("headers", "etag", "date"),
    [
        ({"ETag": '"new"'}, '"new"', None),
        ({"etag": 'W/"new"', "LAST_MODIFIED": DATE}, 'W/"new"', DATE),
        ({"Last_Modified": DATE}, None, DATE),
        ({"ETag": '"new\r\nX: y"', "Last_Modified": DATE}, None, DATE),
        ({"ETag": '"' + "x" * 2000 + '"', "Last_Modified": DATE}, None, DATE),
        ({"ETag": "bare", "Last_Modified": DATE}, None, DATE),
        ({"ETag": '"new"', "Last_Modified": "yesterday"}, '"new"', None),
    ],
)
def test_a_success_leaves_what_its_answer_said(
    headers: dict[str, str], etag: str | None, date: str | None
) -> None:
    """As it was spelt, for the URL that gave it; what could not stand in a request is passed over."""
    expected = Validators(url=URL + "/moved", etag=etag, last_modified=date, task_id="before")

    assert after(answer(200, url=URL + "/moved", **headers)) == expected


@pytest.mark.parametrize("response", [answer(), answer(ETag="bare"), answer(204, ETag='"new"')])
def test_a_success_without_a_version_leaves_nothing(response: Response) -> None:
    """What was known before is not what the target has now."""
    assert after(response) is None


@pytest.mark.parametrize(
    ("status", "response"),
    [
        (Status.SUCCEEDED, answer(304, ETag='"other"')),
        (Status.FAILED, answer(500, ETag='"new"')),
        (Status.FAILED, None),
        (Status.CANCELLED, None),
        (Status.RUNNING, None),
        (Status.SCHEDULED, None),
    ],
)
def test_who_got_nothing_new_leaves_what_it_came_with(status: Status, response: Response | None) -> None:
    """Unchanged, failed, or not yet at its end."""
    assert after(response, status) == OLD


@pytest.mark.parametrize(
    "changes", [{"url": URL + "2"}, {"method": "HEAD"}, {"headers": {"Accept": "text/plain"}}]
)
def test_another_request_asks_for_whatever_there_is(changes: dict[str, Any]) -> None:
    """The schedule was changed; a version is one of the answer to the very same request."""
    assert after(answer(304), **changes) is None


def test_a_condition_has_a_header_for_each() -> None:
    """Both: a receiver goes by the ETag if it knows it (RFC 9110 13.2.2)."""
    assert condition(replace(OLD, last_modified=DATE)) == {
        "If-None-Match": '"old"',
        "If-Modified-Since": DATE,
    }
    assert condition(OLD) == {"If-None-Match": '"old"'}


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ({"method": "POST"}, "conditional"),
        ({"headers": {"if-none-match": '"x"'}}, "task.headers.if-none-match"),
        ({"headers": {"If-Match": '"x"'}}, "task.headers.If-Match"),
    ],
)
def test_a_schedule_that_cannot_be_conditional_is_refused(task: dict[str, Any], field: str) -> None:
    """When it is handed in; without `conditional` it may ask what it likes."""
    fields = {"cron": "@daily", "task": {"url": URL, **task}}
    ScheduleDraft.from_fields(fields, TaskLimits())

    with pytest.raises(ScheduleInvalid) as caught:
        ScheduleDraft.from_fields({**fields, "conditional": True}, TaskLimits())

    assert [each.field for each in caught.value.errors] == [field]
