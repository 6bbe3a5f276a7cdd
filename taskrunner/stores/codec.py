"""The JSON in which every store keeps attempts and results, and how a record is put together from it.

Times stand in it as RFC 3339 text; elsewhere stores keep them as milliseconds since 1970.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from taskrunner.domain.clock import from_ms
from taskrunner.domain.codec import Decoder
from taskrunner.domain.envelope import decode_task
from taskrunner.domain.outcome import Response
from taskrunner.domain.record import Attempt, Record
from taskrunner.domain.status import TERMINAL, Status

_ATTEMPT: Decoder[Attempt] = Decoder(Attempt)
_RESPONSE: Decoder[Response] = Decoder(Response)


def decode_attempt(encoded: bytes) -> Attempt:
    """An attempt by `encode`. Fields of a newer version are passed over."""
    return _ATTEMPT.decode(encoded)


def decode_response(encoded: bytes) -> Response:
    """A response by `encode`."""
    return _RESPONSE.decode(encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as stores keep it. `encoded` is the task by `codec.encode`; times are ms since 1970.

    `attempts` are by `codec.encode`, in order, and `result` is by `codec.encode`.
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
