"""Validators: what an answer said of its version, so that a later run asks only for a newer one.

RFC 9110 section 13. A run of a conditional schedule takes what the run before it leaves: the validators of
that one's answer, or those that it came with if it got none. So they move from slot to slot with the tasks,
and a run that ends late, after the next was made, changes nothing for those behind it.
"""

import re
from collections.abc import Mapping

from taskrunner.domain.outcome import Response
from taskrunner.domain.record import Record
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task, Validators

# RFC 9110 8.8.3, in ASCII and of a length that can travel in every envelope.
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,1000}"')
# RFC 9110 5.6.7; whatever is spelt otherwise is not worth to be sent back.
_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
# What these methods get can be unchanged; for others a condition means something else (RFC 9110 13.1.2).
METHODS = frozenset({"GET", "HEAD"})
# The headers of a condition; a task that has one asks by itself.
CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})


def validators_after(record: Record, task: Task) -> Validators | None:
    """Those by which `task` may ask, which comes after `record`; None to ask for whatever there is."""
    before = record.task
    # Another request may have another answer under the same name.
    if (before.url, before.method, before.headers) != (task.url, task.method, task.headers):
        return None
    response = record.result
    if record.status is not Status.SUCCEEDED or response is None or response.status == 304:
        return before.validators
    return _validators(before, response) if response.status == 200 else None


def condition(validators: Validators) -> dict[str, str]:
    """The headers that ask for what is newer."""
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
