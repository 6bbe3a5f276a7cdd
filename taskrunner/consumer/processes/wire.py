"""What parent and child of a process say to each other: frames of four bytes of length and a marshalled
tuple.

Both ends are one program of one version on one machine, so the form is Python's own and the cheapest.
The first field of a frame is its kind; attempts go by the tickets that the parent gave them.
"""

import marshal
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any

from taskrunner.domain.callback import Callback
from taskrunner.domain.outcome import Outcome, OutcomeKind, Response, Timings
from taskrunner.domain.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.rules import decode_rules, encode_rules
from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority, Task, Validators

Item = tuple[Any, ...]
_LENGTH = struct.Struct("!I")


class Order(IntEnum):
    """What the parent says; the fields that follow are behind each."""

    KIT = 0  # the pickled HandlerFactory, the level of logging; always the first
    RESIZE = 1  # target
    RUN = 2  # of each: ticket, attempt, lease_ends, cancelled, task
    WITHDRAW = 3
    CANCEL = 4  # tickets
    RENEW = 5  # tickets, lease_ends
    CHECK = 6  # replace workers that hang, and answer


class Report(IntEnum):
    """What the child says."""

    READY = 0
    ENDED = 1  # of each: ticket, started, elapsed, outcome
    WITHDRAWN = 2  # tickets
    WRITTEN_OFF = 3  # ticket, started, elapsed, worker
    CHECKED = 4
    LOGGED = 5  # logger, level, text


def frame(kind: IntEnum, *fields: Any) -> bytes:
    """Raises `ValueError` when a field is no plain value."""
    body = marshal.dumps((kind.value, *fields))
    return _LENGTH.pack(len(body)) + body


class Unframer:
    """Takes bytes as they come and gives items as they are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Item]:
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= _LENGTH.size:
            end = begin + _LENGTH.size + _LENGTH.unpack_from(buffer, begin)[0]
            if len(buffer) < end:
                break
            yield marshal.loads(buffer[begin + _LENGTH.size : end])  # noqa: S302 - from our own process
            begin = end
        del buffer[:begin]


def pack_task(task: Task) -> Item:
    return (
        task.id,
        task.url,
        task.method,
        dict(task.headers),
        task.body,
        task.body_base64,
        task.priority.value,
        task.timeout,
        task.max_attempts,
        _pack_retry(task.retry),
        dict(task.labels),
        task.created_at.timestamp(),
        None if task.run_at is None else task.run_at.timestamp(),
        None if task.expires_at is None else task.expires_at.timestamp(),
        task.retry_on,
        task.fail_on,
        task.retry_unsafe,
        encode_rules(task.rules) if task.rules else None,
        None if task.callback is None else _pack_callback(task.callback),
        task.signed_by,
        task.traceparent,
        task.tls,
        None if task.validators is None else _pack_validators(task.validators),
        None if task.keep_until is None else task.keep_until.timestamp(),
    )


def unpack_task(item: Item) -> Task:
    run_at, expires_at, callback = item[12], item[13], item[18]
    return Task(
        id=item[0],
        url=item[1],
        method=item[2],
        headers=item[3],
        body=item[4],
        body_base64=item[5],
        priority=_QUEUES[item[6]],
        timeout=item[7],
        max_attempts=item[8],
        retry=_unpack_retry(item[9]),
        labels=item[10],
        created_at=datetime.fromtimestamp(item[11], UTC),
        run_at=None if run_at is None else datetime.fromtimestamp(run_at, UTC),
        expires_at=None if expires_at is None else datetime.fromtimestamp(expires_at, UTC),
        retry_on=item[14],
        fail_on=item[15],
        retry_unsafe=item[16],
        rules=() if item[17] is None else decode_rules(item[17]),
        callback=None if callback is None else _unpack_callback(callback),
        signed_by=item[19],
        traceparent=item[20],
        tls=item[21],
        validators=None if item[22] is None else _unpack_validators(item[22]),
        keep_until=None if item[23] is None else datetime.fromtimestamp(item[23], UTC),
    )


def pack_outcome(outcome: Outcome) -> Item:
    response = outcome.response
    return (
        outcome.kind.value,
        outcome.error,
        None if response is None else _pack_response(response),
        outcome.retry_after,
        outcome.retryable,
        outcome.counted,
        outcome.sent,
        outcome.rule,
        outcome.address,
        None if outcome.timings is None else _pack_timings(outcome.timings),
        outcome.of_host,
    )


def unpack_outcome(item: Item) -> Outcome:
    kind, error, response, retry_after, retryable, counted, sent, rule, address, timings, of_host = item
    return Outcome(
        kind=_KINDS[kind],
        error=error,
        response=None if response is None else _unpack_response(response),
        retry_after=retry_after,
        retryable=retryable,
        counted=counted,
        sent=sent,
        rule=rule,
        address=address,
        timings=None if timings is None else _unpack_timings(timings),
        of_host=of_host,
    )


def _pack_response(response: Response) -> Item:
    return (
        int(response.status),
        response.headers,
        response.content_type,
        response.size_bytes,
        response.sha256,
        _pack_timings(response.timings),
        response.body,
        response.truncated,
        response.url,
        response.redirects,
        response.http_version,
        response.unchanged,
    )


def _unpack_response(item: Item) -> Response:
    return Response(
        status=item[0],
        headers=item[1],
        content_type=item[2],
        size_bytes=item[3],
        sha256=item[4],
        timings=_unpack_timings(item[5]),
        body=item[6],
        truncated=item[7],
        url=item[8],
        redirects=item[9],
        http_version=item[10],
        unchanged=item[11],
    )


def _pack_timings(timings: Timings) -> Item:
    return (timings.dns, timings.connect, timings.tls, timings.first_byte, timings.total)


def _unpack_timings(item: Item) -> Timings:
    dns, connect, tls, first_byte, total = item
    return Timings(dns=dns, connect=connect, tls=tls, first_byte=first_byte, total=total)


def _pack_validators(validators: Validators) -> Item:
    return (validators.url, validators.etag, validators.last_modified, validators.task_id)


def _unpack_validators(item: Item) -> Validators:
    url, etag, last_modified, task_id = item
    return Validators(url=url, etag=etag, last_modified=last_modified, task_id=task_id)


def _pack_callback(callback: Callback) -> Item:
    return (
        callback.url,
        callback.secret,
        tuple(event.value for event in callback.events),
        callback.timeout,
        callback.max_attempts,
        _pack_retry(callback.retry),
        callback.tls,
    )


def _unpack_callback(item: Item) -> Callback:
    url, secret, events, timeout, max_attempts, retry, tls = item
    return Callback(
        url=url,
        secret=secret,
        events=tuple(map(Status, events)),
        timeout=timeout,
        max_attempts=max_attempts,
        retry=_unpack_retry(retry),
        tls=tls,
    )


def _pack_retry(retry: RetryPolicy) -> Item:
    return (retry.strategy.value, retry.base, retry.cap, retry.jitter, tuple(retry.delays))


@lru_cache(maxsize=128)
def _unpack_retry(item: Item) -> RetryPolicy:
    strategy, base, cap, jitter, delays = item
    return RetryPolicy(strategy=Strategy(strategy), base=base, cap=cap, jitter=jitter, delays=delays)


_QUEUES = {queue.value: queue for queue in Priority}
_KINDS = {kind.value: kind for kind in OutcomeKind}
