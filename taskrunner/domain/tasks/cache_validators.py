"""Validators: the version of an answer, so that a later run fetches only a newer one (RFC 9110 section 13).

A run of a conditional schedule gets the validators of the previous run's answer, or the previous run's own if
that had none. They move from slot to slot with the tasks, so a run that ends after the next one was created
has no effect on later runs.
"""

import re
from collections.abc import Mapping

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task, Validators

# RFC 9110 8.8.3, in ASCII, and short enough for every envelope.
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,1000}"')
# RFC 9110 5.6.7; other spellings are not sent back.
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
# For other methods a condition means something else (RFC 9110 13.1.2).
METHODS = frozenset({"GET", "HEAD"})
# The headers of a condition; a task that has one makes its own condition.
CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})


def validators_after(record: Record, task: Task) -> Validators | None:
    """The validators for `task`, the run after `record`; None for an unconditional request."""
    before = record.task
    # Another request may have another answer with the same validators.
    if (before.url, before.method, before.headers) != (task.url, task.method, task.headers):
        return None
    response = record.result
    if record.status is not Status.SUCCEEDED or response is None or response.status == 304:
        return before.validators
    return _validators(before, response) if response.status == 200 else None


def condition(validators: Validators) -> dict[str, str]:
    """The headers that ask for a newer version."""
    headers = {"If-None-Match": validators.etag, "If-Modified-Since": validators.last_modified}
    return {name: value for name, value in headers.items() if value is not None}


def _validators(task: Task, response: Response) -> Validators | None:
    headers: Mapping[str, str] = {name.lower(): value for name, value in reversed(response.headers)}
    etag, date = headers.get("etag", ""), headers.get("last-modified", "")
    found = Validators(
        url=response.url,
        etag=etag if _ETAG.fullmatch(etag) else None,
        last_modified=date if _DATE.fullmatch(date) else None,
        task_id=task.id,
    )
    return found if found.etag or found.last_modified else None
