"""Problems: every error of our HTTP servers as `application/problem+json` (RFC 9457).

`type` is always `about:blank`, so `title` is the status's own phrase. Programs read `code`, which never
changes, and people read `detail`. A `CallerError` names what to change, so its text is shown. An unexpected
error is shown only as an id, under which the log has the rest.

| status | code | when |
|---|---|---|
| 400 | `bad_request`, `bad_json`, `bad_query`, `bad_header` | the request cannot be read |
| 401 | `key_missing`, `key_unknown` | the route needs a key; the key is unknown, expired or revoked |
| 401 | `session_over` | the session of the console has ended |
| 403 | `scope_missing` | the key lacks a scope that the route needs |
| 403 | `cross_site_request` | a page of another site made a browser send it |
| 412 | `precondition_failed` | `If-Match` does not hold, or the route has no entity tags |
| 421 | `host_unknown` | a name of this server that `Api.hosts` does not have |
| 422 | `task_invalid` | JSON, but no task: `errors` lists every bad field |
| 422 | `idempotency_key_reused` | the key came with another request before |
| 422 | `schedule_invalid` | the same for a schedule |
| 422 | `host_limit_invalid` | the same for a limit of hosts |
| 422 | `key_invalid` | the same for an API key to create |
| 422 | `operation_invalid`, `webhook_invalid`, `queue_invalid` | the same for these |
| 422 | `executor_invalid`, `lease_invalid` | the same for an executor, or what its workers say |
| 404 | `not_found`, `task_unknown`, `schedule_unknown`, `host_name_unknown`, `host_limit_unknown` | |
| 404 | `body_unknown`, `attempt_unknown` | of a task that there is: no fetched body, no such attempt |
| 404 | `api_key_unknown`, `operation_unknown`, `queue_unknown` | |
| 404 | `session_unknown`, `webhook_unknown`, `executor_unknown` | |
| 405 | `method_not_allowed` | |
| 408, 413, 414, 415, 431 | `request_timeout`, `body_too_large`, `url_too_long`, … | a bound was crossed |
| 429 | `rate_limited`, `too_many_live_tasks`, `too_many_stored_bytes` | a limit of the key: `Retry-After` |
| 409, 422 | `batch_refused` | an atomic batch: `errors` begin with the number of the task |
| 409 | `dedup_key_held` | another task holds the dedup key, and the mode is `reject` |
| 409 | `executor_disabled` | the task's executor takes no new tasks |
| 409 | `state_conflict` | the task's status does not allow it |
| 503 | `write_unconfirmed` | the task is stored, but not on a replica: it may run; repeat with the same key |
| 429, 503 | `too_many_streams` | all places for streams are taken: of the key, or of the process |
| 503 | `store_unavailable`, `broker_unavailable`, … | try again after `Retry-After` seconds |
| 500 | `internal_error` | ours; `instance` is the id in the log |

`request_id` is that of the request; see `request_ids`.

A key used twice is 422 rather than 409 by draft-ietf-httpapi-idempotency-key-header, section 2.7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from msgspec import UNSET, UnsetType
from pydantic import ValidationError

from taskrunner.api.views.view import View
from taskrunner.domain import codec
from taskrunner.domain.errors import (
    AttemptUnknown,
    BatchRefused,
    BrokerUnavailable,
    CallerError,
    DedupKeyHeld,
    ExecutorDisabled,
    ExecutorInvalid,
    ExecutorUnknown,
    FieldError,
    FieldsInvalid,
    FilterInvalid,
    HostLimitInvalid,
    HostLimitUnknown,
    HostNameUnknown,
    KeyInvalid,
    KeyReused,
    KeyUnknown,
    LeaseInvalid,
    OperationInvalid,
    OperationUnknown,
    OutsideError,
    QueueInvalid,
    QueueUnknown,
    QuotaUsed,
    ScheduleInvalid,
    ScheduleUnknown,
    SessionUnknown,
    StateConflict,
    StoreRefused,
    StoreUnavailable,
    TaskInvalid,
    TaskTooLarge,
    TaskUnknown,
    TooManyStoredBytes,
    WebhookInvalid,
    WebhookUnknown,
    WriteUnconfirmed,
)
from taskrunner.domain.json_text import JsonUnfit
from taskrunner.domain.validation import at_most
from taskrunner.domain.value import replace

CONTENT_TYPE = "application/problem+json"
# Seconds. Adapters reconnect within a few seconds of a service's return; sooner is only load.
RETRY_AFTER = 2
# Our own, since Python's names for some of these changed with RFC 9110.
_HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    414: "url_too_long",
    417: "expectation_failed",
    431: "headers_too_large",
    501: "method_unknown",
    503: "too_many_connections",
    505: "http_version_unsupported",
}


_INVALID: Mapping[type[FieldsInvalid], str] = {
    TaskInvalid: "task_invalid",
    ScheduleInvalid: "schedule_invalid",
    HostLimitInvalid: "host_limit_invalid",
    KeyInvalid: "key_invalid",
    WebhookInvalid: "webhook_invalid",
    ExecutorInvalid: "executor_invalid",
    LeaseInvalid: "lease_invalid",
    OperationInvalid: "operation_invalid",
    QueueInvalid: "queue_invalid",
}

# The field that is in conflict with another task.
_CONFLICTS: Mapping[type[StateConflict], str] = {
    KeyReused: "Idempotency-Key",
    DedupKeyHeld: "dedup.key",
    ExecutorDisabled: "executor",
}
_CONFLICT_CODES: Mapping[type[StateConflict], tuple[int, str]] = {
    KeyReused: (422, "idempotency_key_reused"),
    DedupKeyHeld: (409, "dedup_key_held"),
    ExecutorDisabled: (409, "executor_disabled"),
}
_UNKNOWN: Mapping[type[CallerError], str] = {
    TaskUnknown: "task_unknown",
    AttemptUnknown: "attempt_unknown",
    ScheduleUnknown: "schedule_unknown",
    HostNameUnknown: "host_name_unknown",
    HostLimitUnknown: "host_limit_unknown",
    KeyUnknown: "api_key_unknown",
    SessionUnknown: "session_unknown",
    WebhookUnknown: "webhook_unknown",
    ExecutorUnknown: "executor_unknown",
    OperationUnknown: "operation_unknown",
    QueueUnknown: "queue_unknown",
}

# RFC 9110 section 15; Python has older names.
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


class ProblemView(View):
    """RFC 9457. `code` never changes and is for programs, `detail` is for people."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    instance: str | UnsetType = UNSET
    errors: Sequence[FieldError] | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error to answer, with further `headers`."""

    status: int
    code: str
    detail: str
    errors: Sequence[FieldError] = ()
    instance: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return title_of(self.status)

    def view(self, request_id: str) -> ProblemView:
        """What the answer to that request shows."""
        return ProblemView(
            type="about:blank",
            title=self.title,
            status=self.status,
            code=self.code,
            detail=self.detail,
            request_id=request_id,
            instance=self.instance or UNSET,
            errors=self.errors or UNSET,
        )

    def encode(self, request_id: str) -> bytes:
        """The JSON body of the answer to that request."""
        return codec.encode(self.view(request_id))


class RequestRefused(CallerError):
    """A request breaks a rule of HTTP or of this API, rather than of the domain."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.detail)


def refuse(status: int, code: str, detail: str, errors: Sequence[FieldError] = ()) -> RequestRefused:
    """The exception to raise for a problem with the request itself."""
    return RequestRefused(Problem(status=status, code=code, detail=detail, errors=errors))


def problem_of(exc: BaseException) -> Problem | None:
    """The problem for `exc`; None for an unexpected error."""
    if isinstance(exc, RequestRefused):
        return exc.problem
    if isinstance(exc, BatchRefused):
        return _batch_refused(exc)
    if isinstance(exc, FieldsInvalid) and isinstance(exc, tuple(_INVALID)):
        return _fields_invalid(exc)
    if isinstance(exc, FilterInvalid):
        return Problem(status=400, code="bad_query", detail=str(exc), errors=exc.errors)
    unknown = next((code for kind, code in _UNKNOWN.items() if isinstance(exc, kind)), None)
    if unknown is not None:
        return Problem(status=404, code=unknown, detail=str(exc))
    if isinstance(exc, QuotaUsed):
        return _quota_used(exc)
    if isinstance(exc, StateConflict):
        status, code = _CONFLICT_CODES.get(type(exc), (409, "state_conflict"))
        return Problem(status=status, code=code, detail=str(exc))
    if isinstance(exc, CallerError):
        return Problem(status=400, code="bad_request", detail=str(exc))
    if isinstance(exc, OutsideError):
        return _unavailable(exc)
    return None


def internal_error(error_id: str) -> Problem:
    """The problem for an unexpected error that was logged under `error_id`, a UUID."""
    return Problem(
        status=500,
        code="internal_error",
        detail="an unexpected error in taskrunner; the log has it under the id in `instance`",
        instance=f"urn:uuid:{error_id}",
    )


def http_problem(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem for an error of the HTTP layer itself, such as an unknown path."""
    code = _HTTP_CODES.get(status, f"http_{status}")
    return Problem(status=status, code=code, detail=reason, headers=headers or {})


def _fields_invalid(exc: FieldsInvalid) -> Problem:
    if isinstance(exc, TaskTooLarge):
        return Problem(status=413, code="body_too_large", detail=str(exc), errors=exc.errors)
    if _is_syntax(exc):
        return Problem(
            status=400, code="bad_json", detail=f"the body cannot be read as JSON: {exc}", errors=exc.errors
        )
    count = len(exc.errors)
    fields = "1 field is" if count == 1 else f"{count} fields are"
    code = next(code for kind, code in _INVALID.items() if isinstance(exc, kind))
    return Problem(status=422, code=code, detail=f"{fields} invalid; see errors", errors=exc.errors)


def findings_in(error: TaskInvalid | StateConflict) -> Sequence[FieldError]:
    """What is wrong with one task of a batch, by field."""
    if isinstance(error, TaskInvalid):
        return error.errors
    field = _CONFLICTS.get(type(error), "id")
    return [FieldError(field=field, message=str(error))]


def _batch_refused(exc: BatchRefused) -> Problem:
    is_conflict = all(
        isinstance(error, StateConflict) and not isinstance(error, KeyReused) for _, error in exc.refused
    )
    errors = [
        replace(found, field=f"{number}.{found.field}" if found.field else str(number))
        for number, error in exc.refused
        for found in findings_in(error)
    ]
    status = 409 if is_conflict else 422
    return Problem(status=status, code="batch_refused", detail=str(exc), errors=at_most(errors))


def _quota_used(exc: QuotaUsed) -> Problem:
    """429 (RFC 6585). A policy need not have a window: draft-ietf-httpapi-ratelimit-headers section 3."""
    is_size = isinstance(exc, TooManyStoredBytes)
    policy = "stored-bytes" if is_size else "live-tasks"
    headers = {
        "RateLimit-Policy": f'"{policy}";q={exc.limit}',
        "RateLimit": f'"{policy}";r={exc.free}',
        # Tasks that have ended are counted so soon; those that were removed take a walk through the others.
        "Retry-After": "10" if is_size else "1",
    }
    code = "too_many_stored_bytes" if is_size else "too_many_live_tasks"
    return Problem(status=429, code=code, detail=str(exc), headers=headers)


def _is_syntax(exc: FieldsInvalid) -> bool:
    cause = exc.__cause__
    if isinstance(cause, JsonUnfit):
        return True
    if not isinstance(cause, ValidationError):
        return False
    return any(error["type"] == "json_invalid" for error in cause.errors(include_url=False))


def _unavailable(exc: OutsideError) -> Problem:
    code, what = "service_unavailable", "A service that taskrunner needs is away."
    if isinstance(exc, WriteUnconfirmed):
        code, what = (
            "write_unconfirmed",
            "The task was stored, but too few replicas confirmed it in time; it may still run.",
        )
    elif isinstance(exc, StoreUnavailable):
        code, what = "store_unavailable", "The store cannot be reached or cannot take writes."
    elif isinstance(exc, StoreRefused):
        code, what = "store_refused", "The store refused the call; the log has its code and message."
    elif isinstance(exc, BrokerUnavailable):
        code, what = "broker_unavailable", "The broker cannot be reached."
    return Problem(
        status=503,
        code=code,
        # The exception's own text names hosts and ports, which are not for every client.
        detail=f"{what} Send the same request again after {RETRY_AFTER} s, with the same Idempotency-Key.",
        headers={"Retry-After": str(RETRY_AFTER)},
    )
