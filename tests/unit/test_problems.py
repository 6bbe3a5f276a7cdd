"""Problems: which error becomes which answer."""

import json

import pytest

from taskrunner.api.http.problems import http_problem, internal_error, problem_of
from taskrunner.domain.errors import (
    BrokerUnavailable,
    FieldError,
    OutsideError,
    ScheduleInvalid,
    ScheduleUnknown,
    StateConflict,
    StoreUnavailable,
    TaskInvalid,
    TaskrunnerError,
    TaskUnknown,
    WriteUnconfirmed,
)
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TaskInvalid([FieldError(field="url", message="is required")]), 422, "task_invalid"),
        (TaskUnknown("no task"), 404, "task_unknown"),
        (ScheduleInvalid([FieldError(field="cron", message="is required")]), 422, "schedule_invalid"),
        (ScheduleUnknown("no schedule"), 404, "schedule_unknown"),
        (StateConflict("not failed"), 409, "state_conflict"),
        (StoreUnavailable("redis at 10.0.0.1 refused"), 503, "store_unavailable"),
        (WriteUnconfirmed("0 of 1 replicas of 10.0.0.1"), 503, "write_unconfirmed"),
        (BrokerUnavailable("rabbitmq at 10.0.0.1 refused"), 503, "broker_unavailable"),
        (OutsideError("10.0.0.1 refused"), 503, "service_unavailable"),
    ],
)
def test_each_error_of_ours_has_its_problem(error: TaskrunnerError, status: int, code: str) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.status, problem.code) == (status, code)
    assert b"10.0.0.1" not in problem.encode("r-1")
    assert ("Retry-After" in problem.headers) is (status == 503)


def test_an_error_that_nobody_expected_has_none() -> None:
    assert problem_of(ValueError("s3cret")) is None


def test_syntax_is_told_apart_from_content() -> None:
    statuses = []
    for raw in (b"{", b"[]", b"{}"):
        with pytest.raises(TaskInvalid) as caught:
            TaskDraft.from_json(raw, TaskLimits())
        problem = problem_of(caught.value)
        statuses.append(problem and problem.status)
    assert statuses == [400, 422, 422]


def test_the_members_are_those_of_rfc_9457() -> None:
    problem = problem_of(TaskInvalid([FieldError(field="retry.base", message="is no number")]))
    assert problem is not None
    assert json.loads(problem.encode("r-1")) == {
        "request_id": "r-1",
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "code": "task_invalid",
        "detail": "1 field is invalid; see errors",
        "errors": [{"field": "retry.base", "message": "is no number"}],
    }
    assert json.loads(internal_error("1-2").encode("r-1"))["instance"] == "urn:uuid:1-2"
    assert http_problem(418, "tea").code == "http_418"
