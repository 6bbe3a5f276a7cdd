"""The JSON in which every store keeps attempts and results, and how a record is put together from it.

Times stand in it as RFC 3339 text; elsewhere stores keep them as milliseconds since 1970.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter

from taskrunner.domain.clock import from_ms
from taskrunner.domain.envelope import decode_task
from taskrunner.domain.outcome import Response, Timings
from taskrunner.domain.record import Attempt, Record
from taskrunner.domain.status import TERMINAL, Status

_ATTEMPT: TypeAdapter[Attempt] = TypeAdapter(Attempt)
_RESPONSE: TypeAdapter[Response] = TypeAdapter(Response)


def encode_attempt(attempt: Attempt) -> bytes:
    """An object of the attempt's fields under their own names; the last three only where there are any."""
    fields: dict[str, Any] = {
        "number": attempt.number,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "counted": attempt.counted,
        "consumer": attempt.consumer,
    }
    if attempt.address is not None:
        fields["address"] = attempt.address
    if attempt.timings is not None:
        fields["timings"] = _timings(attempt.timings)
    if attempt.response is not None:
        fields["response"] = _response(attempt.response)
    return _dump(fields)


def decode_attempt(encoded: bytes) -> Attempt:
    """The inverse of `encode_attempt`. Fields of a newer version are passed over."""
    return _ATTEMPT.validate_json(encoded)


def encode_response(response: Response) -> bytes:
    """An object of the response's fields under their own names, without the body."""
    return _dump(_response(response))


def _response(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "headers": response.headers,
        "content_type": response.content_type,
        "size_bytes": response.size_bytes,
        "sha256": response.sha256,
        "timings": _timings(response.timings),
        "truncated": response.truncated,
        "url": response.url,
        "redirects": response.redirects,
        "http_version": response.http_version,
        "unchanged": response.unchanged,
    }


def _timings(timings: Timings) -> dict[str, float]:
    return {
        "dns": timings.dns,
        "connect": timings.connect,
        "tls": timings.tls,
        "first_byte": timings.first_byte,
        "total": timings.total,
    }


def decode_response(encoded: bytes) -> Response:
    """The inverse of `encode_response`; the body is empty."""
    return _RESPONSE.validate_json(encoded)


def storable(text: str) -> str:
    """`text` with what UTF-8 cannot hold (half of a surrogate pair) replaced by a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as stores keep it. `encoded` is the task by `encode_task`; times are ms since 1970.

    `attempts` are by `encode_attempt`, in order, and `result` is by `encode_response`.
    """

    encoded: bytes
    status: Status
    attempt: int
    attempt_limit: int
    attempts: Iterable[bytes]
    result: bytes | None
    error: str | None
    reason: str | None = None
    due_ms: float | None
    updated_ms: float
    kept_until_ms: float | None
    snoozes: int = 0
    waits_for: str | None = None

    def decode(self) -> Record:
        """The record. A terminal one was last changed when it finished."""
        terminal = self.status in TERMINAL
        updated_at = from_ms(self.updated_ms)
        return Record(
            task=decode_task(self.encoded),
            status=self.status,
            attempt=self.attempt,
            attempt_limit=self.attempt_limit,
            due=None if terminal or self.due_ms is None else from_ms(self.due_ms),
            attempts=tuple(decode_attempt(encoded) for encoded in self.attempts),
            result=None if self.result is None else decode_response(self.result),
            error=self.error,
            reason=self.reason,
            updated_at=updated_at,
            finished_at=updated_at if terminal else None,
            kept_until=from_ms(self.kept_until_ms) if terminal and self.kept_until_ms is not None else None,
            snoozes=self.snoozes,
            waits_for=self.waits_for if self.status is Status.SCHEDULED else None,
        )


def _dump(fields: dict[str, Any]) -> bytes:
    # One unencodable text, such as a header of half a surrogate pair, must not spoil the batch it is in.
    try:
        return orjson.dumps(fields)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cleaned(fields))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {name: _cleaned(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(part) for part in value]
    return value
