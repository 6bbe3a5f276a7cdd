"""The explanation: why a task is not running now, in sentences and as data. A pure decision.

Reasons stand in the order in which they have to end: what holds the task back first comes first. There is
always at least one.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.executors.executor_limits import EXECUTOR as LIMITED
from taskrunner.domain.executors.executor_limits import host_name_of
from taskrunner.domain.hosts.host_admission import (
    CIRCUIT_HALF_OPEN,
    CIRCUIT_OPEN,
    CONCURRENCY,
    RATE,
    SLOW,
    THROTTLED,
    wait_reason,
    waits_for_host,
)
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.hosts.host_view import HostCondition, HostView
from taskrunner.domain.queues.pauses import ALL, EXECUTOR, Pauses
from taskrunner.domain.queues.queue import REMOTE_PREFIX
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import BY_BROKER, Record
from taskrunner.domain.tasks.situation import QueueFacts, Situation
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.unserved import unserved
from taskrunner.domain.value import Value


class ReasonCode(StrEnum):
    """Why a task does not run. Programs read these; they never change."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"
    LEASE_OVER = "lease_over"  # it ran on a consumer that is gone or cut off
    DEADLINE_PASSED = "deadline_passed"
    DEADLINE_FIRST = "deadline_first"  # the deadline passes before the next attempt may start
    PAUSED = "paused"
    PUT_OFF = "put_off"  # it met a pause that is over
    SCHEDULED = "scheduled"
    NEXT_ATTEMPT = "next_attempt"
    CIRCUIT_OPEN = "circuit_open"
    CIRCUIT_HALF_OPEN = "circuit_half_open"
    HOST_SLOWED = "host_slowed"
    RATE_LIMIT = "rate_limit"
    CONCURRENCY_LIMIT = "concurrency_limit"
    SLOW_HOST = "slow_host"
    BROKER_POLICY = "broker_policy"
    BROKER_AWAY = "broker_away"
    BROKER_BLOCKED = "broker_blocked"
    PUBLISHING = "publishing"  # the relay, or whoever submitted it, is about to put it into its queue
    NO_CONSUMER = "no_consumer"
    QUEUE_UNDECLARED = "queue_undeclared"
    QUEUE = "queue"  # others are ready before it
    DELIVERED = "delivered"  # a consumer has it, or gets it next


_HOST_CODES: Mapping[str, ReasonCode] = {
    CIRCUIT_OPEN: ReasonCode.CIRCUIT_OPEN,
    CIRCUIT_HALF_OPEN: ReasonCode.CIRCUIT_HALF_OPEN,
    THROTTLED: ReasonCode.HOST_SLOWED,
    RATE: ReasonCode.RATE_LIMIT,
    CONCURRENCY: ReasonCode.CONCURRENCY_LIMIT,
    SLOW: ReasonCode.SLOW_HOST,
}
_TROUBLES: Mapping[HostCondition, str] = {
    HostCondition.OPEN: CIRCUIT_OPEN,
    HostCondition.SLOWED: THROTTLED,
}
_ENDED: Mapping[Status, ReasonCode] = {
    Status.SUCCEEDED: ReasonCode.SUCCEEDED,
    Status.FAILED: ReasonCode.FAILED,
    Status.CANCELLED: ReasonCode.CANCELLED,
}


class Reason(Value):
    """`text` is a sentence. The task waits at least until `until`, and has waited or run since `since`.

    The other fields are set where the code has them: the paused `scope` and who paused it (`by`), the
    `consumer` of a running attempt, the number of tasks that are ready (`ahead`), and about how many
    `seconds` these take.
    """

    code: ReasonCode
    text: str
    since: datetime | None = None
    until: datetime | None = None
    host: str | None = None
    scope: str | None = None
    by: str | None = None
    consumer: str | None = None
    ahead: int | None = None
    seconds: float | None = None


def explain(situation: Situation) -> tuple[Reason, ...]:
    """Why the task is not running now."""
    record = situation.record
    if record.status in TERMINAL:
        return (_ended(record),)
    if record.status is Status.RUNNING:
        return (_running(situation),)
    return tuple(_waiting(situation))


def _ended(record: Record) -> Reason:
    at = record.finished_at or record.updated_at
    verb = f"was {record.status}" if record.status is Status.CANCELLED else str(record.status)
    causes = [cause for cause in (record.reason, record.error) if cause]
    why = f": {'; '.join(causes)}" if causes and record.status is not Status.SUCCEEDED else ""
    text = _sentence(f"The task {verb} at {_time(at)}{why}")
    return Reason(code=_ENDED[record.status], text=text, since=at)


def _running(situation: Situation) -> Reason:
    record = situation.record
    last = record.attempts[-1] if record.attempts else None
    since = record.updated_at if last is None else last.started_at
    consumer = last.consumer if last is not None and situation.sees_all else None
    on = "" if consumer is None else f" on consumer {consumer}"
    text = f"Attempt {record.attempt} has been running{on} since {_time(since)}"
    if record.due is not None and record.due <= situation.now:
        return Reason(
            code=ReasonCode.LEASE_OVER,
            text=f"{text}, but its lease ended at {_time(record.due)}; the relay will pass it on.",
            since=since,
            consumer=consumer,
        )
    return Reason(code=ReasonCode.RUNNING, text=f"{text}.", since=since, consumer=consumer)


def _waiting(situation: Situation) -> Iterator[Reason]:
    record, now, deadline = situation.record, situation.now, situation.record.task.expires_at
    if deadline is not None and deadline <= now:
        text = f"The deadline passed at {_time(deadline)}; the task will fail without another attempt."
        yield Reason(code=ReasonCode.DEADLINE_PASSED, text=text, since=deadline)
        return
    waits = [*_paused(situation)]
    is_queued = record.status is Status.QUEUED
    is_due = is_queued or record.due is None or record.due <= now
    if not is_due:
        waits.append(_until_due(situation, is_paused=bool(waits)))
    elif (trouble := _troubled(situation)) is not None:
        waits.append(trouble)
    starts = max((each.until for each in waits if each.until is not None), default=None)
    if deadline is not None and starts is not None and starts > deadline:
        yield Reason(
            code=ReasonCode.DEADLINE_FIRST,
            text=f"The deadline, {_time(deadline)}, passes before that; the task will then fail.",
            until=deadline,
        )
    yield from waits
    if not situation.is_declared:
        name = record.task.queue
        text = (
            f"The queue {name} is not declared any more; declare it with `taskrunner queues declare {name}`."
        )
        yield Reason(code=ReasonCode.QUEUE_UNDECLARED, text=text)
    elif is_due:
        yield from _in_queue(situation) if is_queued else _to_publish(situation)


def _paused(situation: Situation) -> Iterator[Reason]:
    task = situation.record.task
    scopes = Pauses(pause.scope for pause in situation.pauses).covering(task)
    for pause in sorted(situation.pauses, key=lambda each: (each.since, each.scope)):
        if pause.scope not in scopes:
            continue
        by = pause.by if situation.sees_all else None
        what = "Everything" if pause.scope == ALL else f"The {pause.scope.replace(':', ' ', 1)}"
        how = "disabled" if pause.scope.startswith(EXECUTOR) else "paused"
        text = f"{what} has been {how} since {_time(pause.since)}{f' by {by}' if by else ''}."
        yield Reason(code=ReasonCode.PAUSED, text=text, since=pause.since, scope=pause.scope, by=by)


def _until_due(situation: Situation, *, is_paused: bool) -> Reason:
    """Why a task waits that is not in its queue and not due."""
    record = situation.record
    due = record.due or situation.now
    waits_for = record.waits_for
    for host in _hosts_of(record.task):
        if waits_for is not None and waits_for_host(waits_for, host):
            return _host_reason(host, waits_for.removeprefix(wait_reason(host, "")), situation, due)
    if waits_for is not None and waits_for.startswith(BY_BROKER):
        text = f"It waits for {waits_for}. It is published again at {_time(due)}."
        return Reason(code=ReasonCode.BROKER_POLICY, text=text, until=due)
    if waits_for is not None and waits_for.startswith(unserved("")):
        text = f"It waits for {waits_for}; it is published again at {_time(due)}."
        return Reason(code=ReasonCode.PUT_OFF, text=text, until=due)
    if waits_for is not None and _was_snoozed(record):
        text = f"{waits_for.removesuffix('.')}; attempt {record.attempt + 1} starts at {_time(due)}."
        return Reason(code=ReasonCode.PUT_OFF, text=text, until=due)
    if waits_for is not None:
        text = f"A consumer put it off ({waits_for}); it is published again at {_time(due)}."
        return Reason(code=ReasonCode.PUT_OFF, text=text, until=due)
    if record.status is Status.RETRYING:
        why = f", after this one: {record.error}" if record.error else ""
        starts = "is due" if is_paused else "starts"
        text = f"Attempt {record.attempt + 1} of {record.attempt_limit} {starts} at {_time(due)}{why}"
        return Reason(code=ReasonCode.NEXT_ATTEMPT, text=_sentence(text), until=due)
    run_at = record.task.run_at
    if run_at is not None and run_at > situation.now and not record.attempt:
        return Reason(code=ReasonCode.SCHEDULED, text=f"It is scheduled for {_time(run_at)}.", until=run_at)
    text = f"It is being put into its queue; the relay does that at {_time(due)} at the latest."
    return Reason(code=ReasonCode.PUBLISHING, text=text)


def _hosts_of(task: Task) -> Iterator[str]:
    """Under which a task is limited: that of its URL, and its executor as a host."""
    if task.url is not None:
        yield host_of(task.url)
    if task.executor is not None:
        yield host_name_of(task.executor)


def _was_snoozed(record: Record) -> bool:
    """Whether the handler put the task off, and nothing has done so since."""
    last = record.attempts[-1] if record.attempts else None
    return last is not None and last.outcome is OutcomeKind.SNOOZED and last.error == record.waits_for


def _troubled(situation: Situation) -> Reason | None:
    """Why the host of a task that is due will not have it yet."""
    host = situation.host
    why = None if host is None or host.until is None else _TROUBLES.get(host.condition)
    if host is None or host.until is None or why is None:
        return None if host is None else _full(host)
    return _host_reason(host.host, why, situation, host.until)


def _full(host: HostView) -> Reason | None:
    """A delivered task waits with its consumer for a place at its host, without a time."""
    limit = None if host.applied is None else host.applied.limit.concurrency
    if limit is None or host.in_flight is None or host.in_flight < limit:
        return None
    attempts = "attempt is" if limit == 1 else "attempts are"
    text = f"Its host, {host.host}, is at its concurrency limit: {limit} {attempts} running there."
    return Reason(code=ReasonCode.CONCURRENCY_LIMIT, text=text, host=host.host)


def _host_reason(host: str, why: str, situation: Situation, until: datetime) -> Reason:
    known = situation.host
    if known is not None and known.host == host and known.until is not None:
        until = max(until, known.until)
    code = _HOST_CODES.get(why, ReasonCode.HOST_SLOWED)
    what = f"executor, {host.removeprefix(LIMITED)}" if host.startswith(LIMITED) else f"host, {host}"
    text = f"It waits for its {what} ({why}), until {_time(until)}."
    return Reason(code=code, text=text, until=until, host=host)


def _to_publish(situation: Situation) -> Iterator[Reason]:
    """Why a task that is due is not in its queue."""
    away = _broker_away(situation)
    if away is not None:
        yield away
        return
    if situation.broker_blocked is not None:
        why = f": {situation.broker_blocked}" if situation.sees_all else ""
        text = _sentence(f"The broker takes no messages now{why}")
        yield Reason(code=ReasonCode.BROKER_BLOCKED, text=text)
        return
    due = situation.record.due
    since = "" if due is None else f" since {_time(due)}"
    text = f"It has been due{since}; the relay puts it into its queue next."
    yield Reason(code=ReasonCode.PUBLISHING, text=text, since=due)


def _in_queue(situation: Situation) -> Iterator[Reason]:
    """Why nobody has taken it out of its queue."""
    away, queue, name = _broker_away(situation), situation.queue, situation.record.task.queue
    if away is not None:
        yield away
    elif queue is None:
        yield Reason(code=ReasonCode.DELIVERED, text=f"It is in the queue {name}, or with a consumer.")
    elif not queue.consumers:
        if not _is_queue_paused(situation):
            text = f"No consumer serves the queue {name}; start one with `taskrunner consume`."
            if name.startswith(REMOTE_PREFIX):
                text = f"No worker asks for the tasks of {name.removeprefix(REMOTE_PREFIX)} now."
            yield Reason(code=ReasonCode.NO_CONSUMER, text=text)
    elif queue.ready:
        yield _behind(queue, name, sees_all=situation.sees_all)
    else:
        text = "A consumer has it, or gets it next; it starts as soon as a worker and its host are free."
        yield Reason(code=ReasonCode.DELIVERED, text=text)


def _behind(queue: QueueFacts, name: str, *, sees_all: bool) -> Reason:
    seconds = queue.ready / queue.rate if queue.rate else None
    if seconds is not None:
        # One digit: more would tell how many tasks of others came and went.
        seconds = float(f"{seconds:.2g}" if sees_all else f"{seconds:.0e}")
    takes = "" if seconds is None else f", about {seconds:g} s at the present rate"
    if sees_all:
        tasks = "1 task is" if queue.ready == 1 else f"{queue.ready} tasks are"
        text = f"Up to {tasks} ready before it in the queue {name}{takes}."
        return Reason(code=ReasonCode.QUEUE, text=text, ahead=queue.ready, seconds=seconds)
    text = f"Other tasks may be ready before it in the queue {name}{takes}."
    return Reason(code=ReasonCode.QUEUE, text=text, seconds=seconds)


def _broker_away(situation: Situation) -> Reason | None:
    if situation.broker_error is None:
        return None
    why = f": {situation.broker_error}" if situation.sees_all else ""
    text = _sentence(f"The broker, which has the queues, is away{why}")
    return Reason(code=ReasonCode.BROKER_AWAY, text=text)


def _is_queue_paused(situation: Situation) -> bool:
    """Consumers give up their subscriptions to a paused queue."""
    return Pauses(each.scope for each in situation.pauses).cover_queue(situation.record.task.queue)


def _sentence(text: str) -> str:
    """`text` with one full stop: an error that it ends with may have its own."""
    return f"{text.rstrip('.')}."


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
