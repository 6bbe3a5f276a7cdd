"""A record as every store keeps it, and how `Record` is made from it."""

from taskrunner.domain.clock import from_ms
from taskrunner.domain.codec import Decoder
from taskrunner.domain.errors import EnvelopeUnreadable, RecordUnreadable
from taskrunner.domain.messages import shown
from taskrunner.domain.tasks.envelope import decode_task
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.value import Value

_ATTEMPT: Decoder[Attempt] = Decoder(Attempt)


class StoredRecord(Value):
    """The fields of a record. `encoded` is the task in JSON; times are milliseconds since 1970."""

    encoded: bytes
    status: Status
    attempt: int
    attempt_limit: int
    error: str | None
    reason: str | None
    result: Response | None
    updated_ms: float
    snoozes: int = 0
    waits_for: str | None = None
    progress: Progress | None = None
    due_ms: float | None
    kept_until_ms: float | None

    def decode(self, attempts: list[bytes]) -> Record:
        """The record; `attempts` are in JSON, in order. A terminal record last changed when it finished.

        Raises `RecordUnreadable`: whoever asked for it has done nothing wrong.
        """
        try:
            return self._decoded(attempts)
        except (EnvelopeUnreadable, ValueError) as exc:
            raise RecordUnreadable(f"the stored task {shown(self.encoded)} cannot be read: {exc}") from exc

    def _decoded(self, attempts: list[bytes]) -> Record:
        terminal = self.status in TERMINAL
        updated_at = from_ms(self.updated_ms)
        return Record(
            task=decode_task(self.encoded),
            status=self.status,
            attempt=self.attempt,
            attempt_limit=self.attempt_limit,
            due=None if terminal or self.due_ms is None else from_ms(self.due_ms),
            attempts=tuple(map(_ATTEMPT.decode, attempts)),
            result=self.result,
            error=self.error,
            reason=self.reason,
            updated_at=updated_at,
            finished_at=updated_at if terminal else None,
            kept_until=from_ms(self.kept_until_ms) if terminal and self.kept_until_ms is not None else None,
            snoozes=self.snoozes,
            progress=self.progress if self._is_about_this_attempt() else None,
            waits_for=(self.waits_for or None) if self.status is Status.SCHEDULED else None,
        )

    def _is_about_this_attempt(self) -> bool:
        """What an earlier attempt said is not removed, since most tasks say nothing."""
        return (
            self.progress is not None
            and self.status is Status.RUNNING
            and self.progress.attempt == self.attempt
        )
