"""Remote attempts: heartbeats and ends that workers report, each by the token of its lease.

All state is in the store, so a worker may report to any process.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.events import Events, SettleRefused, TaskSettled
from taskrunner.domain.executors.remote_lease import (
    LeaseState,
    LeaseToken,
    RemoteLease,
    UpdateAnswer,
    holder,
    new_secret,
)
from taskrunner.domain.retries import retry
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.settlement import RetentionSettings, Settlement, settlement
from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.domain.value import Value
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.stores.base import AttemptRef, ClaimAnswer, Store


class Heartbeat(Value):
    """A worker reports that it still runs an attempt, and its progress."""

    id: str
    token: str
    fraction: float | None = None
    message: str = ""


class HeartbeatAnswer(Value):
    """`lease_until` is set for a lease that was extended."""

    state: LeaseState
    lease_until: datetime | None = None


class AttemptEnd(Value):
    """A worker reports how an attempt ended."""

    id: str
    token: str
    outcome: Outcome


class Ended(Value):
    """The answer, and the current status of the task; None for a deleted task.

    After a late report, `lease` tells what happened to its lease.
    """

    answer: UpdateAnswer
    status: Status | None
    lease: LeaseState | None = None

    @property
    def lease_state(self) -> LeaseState:
        """What has become of the lease, also of an end that was heard."""
        return LeaseState.ENDED if self.answer is UpdateAnswer.APPLIED else self.lease or LeaseState.LOST


class RemoteAttempts:
    """Each call takes a batch; every method may raise `StoreUnavailable`."""

    def __init__(
        self,
        store: Store,
        events: Events,
        clock: Clock,
        retention: RetentionSettings,
        webhooks: WebhookSource,
        limits: LeaseLimits,
        *,
        lease: float,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._retention = retention
        self._webhooks = webhooks
        self._limits = limits
        self._lease = timedelta(seconds=lease)

    async def heartbeat(self, beats: Sequence[Heartbeat]) -> list[HeartbeatAnswer]:
        """Extend the leases and record the progress. Raises `ValueError` for a fraction outside 0 to 1."""
        now = self._clock.now()
        records = await self._store.get_many([each.id for each in beats])
        held: dict[int, tuple[Record, LeaseToken]] = {}
        refs = []
        answers = []
        for place, beat in enumerate(beats):
            token, record = LeaseToken.read(beat.token), records.get(beat.id)
            state = _state(record, token, now)
            answers.append(HeartbeatAnswer(state=state))
            if state is LeaseState.HELD and token is not None and record is not None:
                progress = None
                if beat.fraction is not None:
                    progress = Progress.of(beat.fraction, beat.message, attempt=token.attempt)
                held[place] = record, token
                refs.append(AttemptRef(id=beat.id, attempt=token.attempt, progress=progress))
        self._limits.heed(
            (records.get(beat.id), beat.token, answer.state)
            for beat, answer in zip(beats, answers, strict=True)
        )
        for place, answer in zip(held, await self._renew(list(held.values()), refs), strict=True):
            answers[place] = answer
        return answers

    async def _renew(
        self, leases: Sequence[tuple[Record, LeaseToken]], refs: Sequence[AttemptRef]
    ) -> list[HeartbeatAnswer]:
        """Renew leases and write progress; what has ended meanwhile is told as lost."""
        if not refs:
            return []
        await self._limits.hold(leases)
        until = self._clock.now() + self._lease
        answers = []
        for (record, token), is_held in zip(
            leases, await self._store.renew(refs, lease_until=until), strict=True
        ):
            if is_held:
                answers.append(HeartbeatAnswer(state=LeaseState.HELD, lease_until=until))
            else:
                answers.append(HeartbeatAnswer(state=LeaseState.LOST))
                if record.task.executor is not None:
                    self._limits.release(record.task.executor, [(record.task.id, token.attempt)])
        return answers

    async def end(self, ends: Sequence[AttemptEnd]) -> list[Ended]:
        """End attempts. An end changes nothing if its lease was lost or the attempt has already ended."""
        now = self._clock.now()
        records = await self._store.get_many([each.id for each in ends])
        answers: list[Ended] = []
        settling: dict[int, tuple[Settlement, Verdict]] = {}
        seen: set[str] = set()
        for place, end in enumerate(ends):
            token, record = LeaseToken.read(end.token), records.get(end.id)
            if record is None or token is None or not token.runs(record) or end.id in seen:
                status = None if record is None else record.status
                if end.id in seen or _has_ended_so(record, token, end.outcome):
                    answers.append(Ended(answer=UpdateAnswer.REPEATED, status=status))
                else:
                    lease = _state(record, token, now)
                    answers.append(Ended(answer=UpdateAnswer.LATE, status=status, lease=lease))
                continue
            seen.add(end.id)
            verdict, made = self._settlement(record, end.outcome, now)
            settling[place] = made, verdict
            answers.append(Ended(answer=UpdateAnswer.APPLIED, status=verdict.status))
        settled = (
            await self._store.settle([made for made, _ in settling.values()], now=now) if settling else ()
        )
        for (place, (_, verdict)), done in zip(settling.items(), settled, strict=True):
            record = records[ends[place].id]
            self._emit(record, ends[place].outcome, verdict, now, settled=done)
            if not done:
                answers[place] = Ended(answer=UpdateAnswer.LATE, status=record.status, lease=LeaseState.LOST)
        self._limits.heed(
            (records.get(end.id), end.token, answer.lease_state)
            for end, answer in zip(ends, answers, strict=True)
        )
        return answers

    async def give_back(self, leases: Sequence[RemoteLease]) -> None:
        """End leases of a worker that disconnected before it received them; these attempts do not count."""
        outcome = Outcome(
            kind=OutcomeKind.INTERRUPTED,
            counted=False,
            error="the worker was gone before it got the task; this attempt does not count",
        )
        await self.end([AttemptEnd(id=each.task.id, token=each.token, outcome=outcome) for each in leases])

    async def end_waiting(self, task_id: str, outcome: Outcome, *, by: str) -> Record:
        """End a waiting task on behalf of an operator. Raises `TaskUnknown`, `StateConflict`."""
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        if record.status not in CLAIMABLE:
            raise StateConflict(f"task {task_id} {_what_is_allowed(record.status)}")
        now, secret = self._clock.now(), new_secret()
        ref = AttemptRef(id=task_id, attempt=record.attempt + 1)
        (claimed,) = await self._store.claim(
            [ref], now=now, lease_until=now + self._lease, consumer=holder(by, secret)
        )
        if claimed.answer is not ClaimAnswer.CLAIMED:
            raise StateConflict(f"task {task_id} has changed meanwhile ({claimed.answer}); look at it again")
        token = LeaseToken(attempt=ref.attempt, secret=secret)
        await self.end([AttemptEnd(id=task_id, token=str(token), outcome=outcome)])
        ended = await self._store.get(task_id)
        if ended is None:
            raise TaskUnknown.of(task_id)
        return ended

    def _settlement(self, record: Record, outcome: Outcome, now: datetime) -> tuple[Verdict, Settlement]:
        running = record.attempts[-1]
        verdict = retry.decide(
            record.task,
            outcome,
            attempt=record.attempt,
            attempt_limit=record.attempt_limit,
            now=now,
            random=random.random(),
        )
        attempt = Attempt(number=running.number, consumer=running.consumer, started_at=running.started_at)
        made = settlement(
            record.task,
            attempt,
            outcome,
            verdict,
            self._retention,
            now=now,
            webhooks=self._webhooks.in_force,
        )
        return verdict, made

    def _emit(
        self, record: Record, outcome: Outcome, verdict: Verdict, now: datetime, *, settled: bool
    ) -> None:
        if not settled:
            self._events.emit(SettleRefused(task_id=record.task.id, attempt=record.attempt))
            return
        elapsed = (now - record.attempts[-1].started_at).total_seconds()
        self._events.emit(
            TaskSettled(
                task=record.task,
                attempt=record.attempt,
                outcome=outcome,
                verdict=verdict,
                elapsed=elapsed,
            )
        )


def _state(record: Record | None, token: LeaseToken | None, now: datetime) -> LeaseState:
    if record is None or token is None:
        return LeaseState.LOST
    if token.runs(record):
        ends = record.attempts[-1].started_at + timedelta(seconds=record.task.timeout)
        return LeaseState.TIMED_OUT if now >= ends else LeaseState.HELD
    attempt = token.attempt_of(record)
    if attempt is None:
        return LeaseState.LOST
    if record.status is Status.CANCELLED:
        return LeaseState.CANCELLED
    return LeaseState.ENDED if _was_ended(attempt) else LeaseState.LOST


def _was_ended(attempt: Attempt) -> bool:
    """Whether a worker ended it. An interruption counts only when a lease ran out."""
    is_lost = attempt.outcome is OutcomeKind.INTERRUPTED and attempt.counted
    return attempt.finished_at is not None and not is_lost


def _has_ended_so(record: Record | None, token: LeaseToken | None, outcome: Outcome) -> bool:
    """Whether the attempt has ended with this outcome; an attempt with a lost lease ends with another."""
    attempt = None if record is None or token is None else token.attempt_of(record)
    return attempt is not None and attempt.finished_at is not None and attempt.outcome is outcome.kind


def _what_is_allowed(status: Status) -> str:
    if status is Status.RUNNING:
        return "is running: its worker ends it with the token of its lease; anybody else may cancel it"
    if status is Status.FAILED:
        return "has failed: it can be requeued or deleted"
    return f"has {status}: it can only be deleted"
