"""One attempt as it can be read: what was sent where, what came back, and where the time went.

Bodies of requests are never shown, and headers are masked as everywhere: both may be secret.
"""

from collections.abc import Iterator

from taskrunner.api.masking import Masking, masked_url
from taskrunner.api.resources import Resource, attempt_resource, response_resource
from taskrunner.domain.attempt_headers import request_headers
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.outcome import Response, Timings
from taskrunner.domain.record import Attempt, Record


def attempts_resource(record: Record, masking: Masking, *, user_agent: str) -> Resource:
    """All attempts of a task, in order."""
    details = [
        attempt_detail(record, each.number, masking, user_agent=user_agent) for each in record.attempts
    ]
    return {"attempts": details}


def attempt_detail(record: Record, number: int, masking: Masking, *, user_agent: str) -> Resource:
    """One attempt. Raises `TaskUnknown` for one that there is not.

    `user_agent` is what the consumers send for tasks without one of their own.
    """
    attempt = next((each for each in record.attempts if each.number == number), None)
    if attempt is None:
        raise TaskUnknown(
            f"task {record.task.id} has no attempt {number}, but {len(record.attempts)} of them"
        )
    response = _response(record, attempt)
    timings = attempt.timings if response is None else response.timings
    redirects = 0 if response is None else response.redirects
    return {
        **attempt_resource(attempt),
        "task_id": record.task.id,
        "request": _request(record, attempt, masking, user_agent),
        "response": None if response is None else response_resource(response, masking),
        "timings": timings,
        "waterfall": [] if timings is None else list(waterfall(timings, redirects)),
    }


def waterfall(timings: Timings, redirects: int) -> Iterator[Resource]:
    """The phases in order, with seconds since the start of the attempt.

    Of several hops only the last was timed apart: those before it and its body are one phase, `redirects`.
    """
    before = max(0.0, timings.total - timings.first_byte) if redirects else 0.0
    if before:
        yield _phase("redirects", 0.0, before)
    marks = [
        ("dns", timings.dns),
        ("connect", timings.connect),
        ("tls", timings.tls),
        ("wait", timings.first_byte),
        ("receive", 0.0 if redirects else timings.total),
    ]
    start = 0.0
    for name, end in marks:
        # One that was not needed, such as the dial of a kept connection, has no end.
        if end > start:
            yield _phase(name, before + start, before + end)
            start = end


def _phase(name: str, start: float, end: float) -> Resource:
    return {"phase": name, "start": round(start, 6), "end": round(end, 6)}


def _response(record: Record, attempt: Attempt) -> Response | None:
    """The result is that of the attempt that ended last; of those before it the line has the head."""
    ended = max((each.number for each in record.attempts if each.finished_at is not None), default=0)
    return record.result if attempt.number == ended else attempt.response


def _request(record: Record, attempt: Attempt, masking: Masking, user_agent: str) -> Resource:
    task = record.task
    headers = masking.headers(request_headers(task, attempt.number, user_agent))
    return {
        "method": task.method,
        "url": masked_url(task.url),
        "headers": [{"name": name, "value": value} for name, value in headers.items()],
        "body_size": 0 if task.content is None else len(task.content),
        "signed_by": task.signed_by,
    }
