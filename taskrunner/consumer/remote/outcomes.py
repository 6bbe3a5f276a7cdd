"""The outcomes that workers report."""

import hashlib

from taskrunner.domain.codec import storable
from taskrunner.domain.errors import FieldError, LeaseInvalid
from taskrunner.domain.json_text import JsonUnfit, check_depth, elements
from taskrunner.domain.masking import masked_text
from taskrunner.domain.retries.retry_policy import MAX_DELAY
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response

_MAX_ERROR_CHARS = 1000
_NO_SECRETS: frozenset[str] = frozenset()


def completed(result: str | None, *, field: str, max_bytes: int) -> Outcome:
    """A success with its result, as JSON text. Raises `LeaseInvalid` if that is not JSON, or too long."""
    if not result or result.strip() == "null":
        return Outcome(kind=OutcomeKind.OK)
    body = result.encode("utf-8", "surrogatepass")
    try:
        check_depth(body)
        is_one = len(elements(b"[" + body + b"]")) == 1
    except JsonUnfit as exc:
        raise _wrong(field, f"is not JSON: {exc}") from None
    if not is_one:
        raise _wrong(field, "must be one JSON value")
    if len(body) > max_bytes:
        raise _wrong(
            field, f"has {len(body)} bytes, at most {max_bytes} are kept; store it elsewhere, and say where"
        )
    response = Response(
        content_type="application/json",
        http_version="",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        body=body,
    )
    return Outcome(kind=OutcomeKind.OK, response=response)


def failed(error: str, *, final: bool, retry_after: float | None) -> Outcome:
    """A failure; the retry policy decides whether to retry, unless the worker does."""
    return Outcome(
        kind=OutcomeKind.HANDLER_ERROR,
        error=_text(error) or "The worker reported a failure.",
        retryable=False if final else None,
        due_in=None if retry_after is None else _delay(retry_after, "retry_after"),
    )


def snoozed(delay: float, reason: str) -> Outcome:
    """Not yet: the attempt does not count."""
    seconds = _delay(delay, "delay")
    error = f"The worker put the task off for {seconds:.15g} s{_because(reason)}"
    return Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=seconds, error=error)


def cancelled(reason: str) -> Outcome:
    """The task is no longer wanted."""
    return Outcome(kind=OutcomeKind.CANCELLED, error=f"The worker cancelled the task{_because(reason)}")


def _delay(seconds: float, field: str) -> float:
    if not 0 <= seconds <= MAX_DELAY:
        raise _wrong(field, f"must be from 0 to {MAX_DELAY:.0f} seconds (30 days), got {seconds:g}")
    return seconds


def _because(reason: str) -> str:
    return f": {_text(reason)}" if reason else "."


def _text(text: str) -> str:
    masked = storable(masked_text(text[: 4 * _MAX_ERROR_CHARS], _NO_SECRETS))
    return masked if len(masked) <= _MAX_ERROR_CHARS else f"{masked[: _MAX_ERROR_CHARS - 1]}…"


def _wrong(field: str, message: str) -> LeaseInvalid:
    return LeaseInvalid([FieldError(field=field, message=message)])
