"""The service TaskExecutor: leases the tasks of remote executors, and records how attempts end.

What workers do is not audited: each attempt names its worker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration

from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.parameters import EXECUTOR_NAME
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.lease_poll import LeasePoll
from taskrunner.api.views.executor import ExecutorView
from taskrunner.consumer.remote import outcomes
from taskrunner.consumer.remote.remote_attempts import AttemptEnd, Ended, Heartbeat, RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.domain.errors import FieldError, LeaseInvalid
from taskrunner.domain.executors.remote_draft import MOST_TASKS
from taskrunner.domain.executors.remote_lease import RemoteLease, check_token, check_worker_name
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.grpc.call import Call
from taskrunner.grpc.live_stream import stream_ended
from taskrunner.grpc.messages import view_message
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.stores.base import AttemptRef, Store
from taskrunner.v1 import task_executor_pb2 as pb

# Heartbeats or ends of one call: a few calls of the store.
_MOST_UPDATES = 500
# Of a stream of leases: how long one poll for tasks waits, and how soon a full stream polls again.
_STREAM_WAIT, _FULL_WAIT = 5.0, 0.1
_NANOS = 1_000_000_000


class WorkerMethods:
    """See `Boundary.handlers`."""

    def __init__(
        self,
        work: RemoteWork,
        attempts: RemoteAttempts,
        executors: ExecutorAdmin,
        live: LiveRequests,
        store: Store,
        options: ApiSettings,
    ) -> None:
        self._work = work
        self._attempts = attempts
        self._executors = executors
        self._live = live
        self._store = store
        self._options = options

    async def register_worker(self, request: pb.RegisterWorkerRequest, _: Call) -> pb.RegisterWorkerResponse:
        name, _worker = _asked(request)
        await self._work.check(name)
        view = ExecutorView.of(await self._executors.get(name), self._options.masking)
        answer = pb.RegisterWorkerResponse(max_tasks=MOST_TASKS, executor=view_message(pb.Executor, view))
        answer.lease.FromNanoseconds(round(self._work.lease * _NANOS))
        answer.heartbeat.FromNanoseconds(round(self._work.lease / 3 * _NANOS))
        answer.max_wait.FromNanoseconds(round(self._options.max_wait * _NANOS))
        return answer

    async def get_next_tasks(self, request: pb.GetNextTasksRequest, call: Call) -> pb.GetNextTasksResponse:
        name, worker = _asked(request)
        wait = min(max(0.0, _seconds(request.wait)), self._options.max_wait)
        most, poll = _count(request.max_tasks), self._poll(call)
        with self._live.waiting_for(call.caller.name, poll, call.may_go_on) as admitted:
            wait = wait if admitted else 0.0
            return _leased(await poll.lease(self._work.next(name, worker, most=most, wait=wait)))

    async def stream_tasks(
        self, request: pb.StreamTasksRequest, call: Call
    ) -> AsyncIterator[pb.GetNextTasksResponse]:
        name, worker = _asked(request)
        most, poll, held = _count(request.max_tasks), self._poll(call), list[AttemptRef]()
        with self._live.streaming_for(call.caller.name, poll, call.may_go_on):
            while not poll.has_ended:
                if held:
                    held = await self._still_running(held)
                if len(held) >= most:
                    await asyncio.sleep(_FULL_WAIT)
                    continue
                wait = _FULL_WAIT if held else _STREAM_WAIT
                room = most - len(held)
                leases = await poll.lease(self._work.next(name, worker, most=room, wait=wait))
                if leases:
                    held += [AttemptRef(id=each.task.id, attempt=each.attempt) for each in leases]
                    yield _leased(leases)
            raise stream_ended()

    async def heartbeat(self, request: pb.HeartbeatRequest, _: Call) -> pb.HeartbeatResponse:
        _check_count("leases", request.leases)
        beats = [
            Heartbeat(
                id=each.id,
                token=each.token,
                fraction=each.progress.fraction if each.HasField("progress") else None,
                message=each.progress.message,
            )
            for each in request.leases
        ]
        for place, beat in enumerate(beats):
            if beat.fraction is not None and not 0.0 <= beat.fraction <= 1.0:
                message = f"must be from 0 to 1, got {beat.fraction!r}"
                raise _invalid(f"leases.{place}.progress.fraction", message)
        answer = pb.HeartbeatResponse()
        for beat, found in zip(beats, await self._attempts.heartbeat(beats), strict=True):
            state = pb.LeaseState.Value(f"LEASE_STATE_{found.state.name}")
            result = answer.leases.add(id=beat.id, state=state)
            if found.lease_until is not None:
                result.lease_until.FromDatetime(found.lease_until)
        return answer

    async def update_task_status(
        self, request: pb.UpdateTaskStatusRequest, call: Call
    ) -> pb.UpdateTaskStatusResponse:
        call.change.count = 0
        _check_count("updates", request.updates)
        ends = [
            _end(each.id, each.token, self._outcome(each, f"updates.{place}"), f"updates.{place}.token")
            for place, each in enumerate(request.updates)
        ]
        found = await self._attempts.end(ends)
        results = [_result(end, each) for end, each in zip(ends, found, strict=True)]
        return pb.UpdateTaskStatusResponse(results=results)

    async def complete_task(self, request: pb.CompleteTaskRequest, call: Call) -> pb.TaskUpdateResult:
        call.change.count = 0
        outcome = outcomes.completed(
            request.result_json, field="result_json", max_bytes=self._options.max_result_bytes
        )
        return await self._end_one(_end(request.id, request.token, outcome))

    async def fail_task(self, request: pb.FailTaskRequest, call: Call) -> pb.TaskUpdateResult:
        call.change.count = 0
        return await self._end_one(_end(request.id, request.token, _failed(request)))

    def _poll(self, call: Call) -> LeasePoll:
        return LeasePoll(self._attempts, lambda: not call.context.done())

    def _outcome(self, update: pb.TaskUpdate, path: str) -> Outcome:
        kind = update.WhichOneof("end")
        if kind == "completed":
            result = update.completed.result_json
            field = f"{path}.completed.result_json"
            return outcomes.completed(result, field=field, max_bytes=self._options.max_result_bytes)
        if kind == "failed":
            return _failed(update.failed)
        if kind == "snoozed":
            return outcomes.snoozed(_seconds(update.snoozed.delay), update.snoozed.reason)
        if kind == "cancelled":
            return outcomes.cancelled(update.cancelled.reason)
        raise _invalid(path, "needs completed, failed, snoozed or cancelled")

    async def _end_one(self, end: AttemptEnd) -> pb.TaskUpdateResult:
        (found,) = await self._attempts.end([end])
        return _result(end, found)

    async def _still_running(self, held: Sequence[AttemptRef]) -> list[AttemptRef]:
        answers = await self._store.still_running(held)
        return [each for each, runs in zip(held, answers, strict=True) if runs]


def _asked(request: Any) -> tuple[str, str]:
    """The executor and the worker."""
    worker = _checked("worker", check_worker_name, request.worker)
    return EXECUTOR_NAME.read(request.executor), worker


def _end(task_id: str, token: str, outcome: Outcome, field: str = "token") -> AttemptEnd:
    return AttemptEnd(id=task_id, token=_checked(field, check_token, token), outcome=outcome)


def _checked(field: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as exc:
        raise _invalid(field, str(exc)) from exc


def _count(given: int) -> int:
    if not 0 <= given <= MOST_TASKS:
        raise _invalid("max_tasks", f"must be from 1 to {MOST_TASKS}, got {given}")
    return given or 1


def _check_count(field: str, given: Sequence[object]) -> None:
    if len(given) > _MOST_UPDATES:
        raise _invalid(field, f"has {len(given)} items, at most {_MOST_UPDATES} are allowed")


def _invalid(field: str, message: str) -> LeaseInvalid:
    return LeaseInvalid([FieldError(field=field, message=message)])


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / _NANOS


def _failed(given: pb.Failed | pb.FailTaskRequest) -> Outcome:
    retry_after = _seconds(given.retry_after) if given.HasField("retry_after") else None
    return outcomes.failed(given.error, final=given.final, retry_after=retry_after)


def _leased(leases: Sequence[RemoteLease]) -> pb.GetNextTasksResponse:
    answer = pb.GetNextTasksResponse()
    for lease in leases:
        task = lease.task
        leased = answer.tasks.add(
            id=task.id,
            attempt=lease.attempt,
            token=lease.token,
            data_json=task.body or "",
            max_attempts=task.max_attempts,
            labels=task.labels,
            traceparent=task.traceparent,
        )
        leased.lease_until.FromDatetime(lease.lease_until)
        leased.timeout.FromNanoseconds(round(task.timeout * _NANOS))
        leased.created_at.FromDatetime(task.created_at)
        if task.expires_at is not None:
            leased.expires_at.FromDatetime(task.expires_at)
    return answer


def _result(end: AttemptEnd, found: Ended) -> pb.TaskUpdateResult:
    result = pb.TaskUpdateResult(
        id=end.id, answer=pb.UpdateAnswer.Value(f"UPDATE_ANSWER_{found.answer.name}")
    )
    if found.status is not None:
        result.status = pb.Status.Value(f"STATUS_{found.status.name}")
    return result
