"""The routes for workers of remote executors: lease tasks, send heartbeats, and end attempts."""

from aiohttp import web

from taskrunner.api.auth.access import caller_of, stored_id
from taskrunner.api.auth.audited import change_of
from taskrunner.api.auth.scopes import OPERATE_SHARED
from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.parameters import EXECUTOR_NAME
from taskrunner.api.http.requests import path_value, read_json_body
from taskrunner.api.http.responses import json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.lease_poll import LeasePoll
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.remote import HeartbeatView, LeasedTasks, LeasedTaskView, StatusView
from taskrunner.consumer.remote import outcomes
from taskrunner.consumer.remote.remote_attempts import AttemptEnd, Heartbeat, RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.domain.errors import StateConflict
from taskrunner.domain.executors.remote_draft import EndStatus, HeartbeatDraft, LeaseDraft, StatusDraft
from taskrunner.domain.executors.remote_lease import LeaseState, UpdateAnswer
from taskrunner.domain.tasks.outcome import Outcome

_JSON = "application/json"
_LEASE = Operation(
    summary="Lease tasks of a remote executor to a worker.",
    answers={200: LeasedTasks},
    takes={_JSON: LeaseDraft},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
)
_HEARTBEAT = Operation(
    summary="Extend the lease of an attempt, and tell how far it is.",
    answers={200: HeartbeatView},
    takes={_JSON: HeartbeatDraft},
    problems=(400, 404, 408, 413, 415, 422, 503),
)
_STATUS = Operation(
    summary="End an attempt with the token of its lease; without one, end a task that waits.",
    answers={200: StatusView},
    takes={_JSON: StatusDraft},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
)


# What happened to a lease whose end comes late; any other lease was lost.
_OVER = {
    LeaseState.CANCELLED: "ended because the task was cancelled",
    LeaseState.ENDED: "is over: you have ended this attempt with this token in another way",
}


class RemoteRoutes:
    """`POST /executors/{executor}/lease`, `POST /tasks/{id}/heartbeat` and `PUT /tasks/{id}/status`."""

    def __init__(
        self, work: RemoteWork, attempts: RemoteAttempts, live: LiveRequests, options: ApiSettings
    ) -> None:
        self._work = work
        self._attempts = attempts
        self._live = live
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.post("/executors/{executor}/lease", self.lease, _LEASE)
        routes.post("/tasks/{id}/heartbeat", self.heartbeat, _HEARTBEAT)
        routes.put("/tasks/{id}/status", self.end, _STATUS)

    async def lease(self, request: web.Request) -> web.Response:
        name = path_value(request, EXECUTOR_NAME)
        asked = LeaseDraft.from_json(await self._body(request))
        poll = LeasePoll(self._attempts, lambda: _is_there(request))
        with self._live.waiting(request, poll, OPERATE_SHARED) as admitted:
            wait = min(asked.wait or 0.0, self._options.max_wait) if admitted else 0.0
            leases = await poll.lease(self._work.next(name, asked.worker, most=asked.max_tasks, wait=wait))
        return json_response(LeasedTasks(tasks=[LeasedTaskView.of(each) for each in leases]))

    async def heartbeat(self, request: web.Request) -> web.Response:
        said = HeartbeatDraft.from_json(await self._body(request))
        progress = said.progress
        beat = Heartbeat(
            id=stored_id(request),
            token=said.token,
            fraction=None if progress is None else progress.fraction,
            message="" if progress is None else progress.message,
        )
        (found,) = await self._attempts.heartbeat([beat])
        return json_response(HeartbeatView.copy(found))

    async def end(self, request: web.Request) -> web.Response:
        """409 for an attempt that is over: its lease was lost, or it ended with another outcome."""
        change_of(request).count = 0
        said, task_id = StatusDraft.from_json(await self._body(request)), stored_id(request)
        outcome = self._outcome(said)
        if said.token is None:
            by = caller_of(request).name or "operator"
            record = await self._attempts.end_waiting(task_id, outcome, by=by)
            change_of(request).count = 1
            return json_response(StatusView(id=task_id, answer=UpdateAnswer.APPLIED, status=record.status))
        end = AttemptEnd(id=task_id, token=said.token, outcome=outcome)
        (found,) = await self._attempts.end([end])
        if found.answer is UpdateAnswer.LATE:
            status = "is gone" if found.status is None else f"is {found.status} now"
            over = _OVER.get(found.lease or LeaseState.LOST, "was lost")
            raise StateConflict(f"the lease of task {task_id} {over}, so nothing has changed; it {status}")
        return json_response(StatusView(id=task_id, answer=found.answer, status=found.status))

    def _outcome(self, said: StatusDraft) -> Outcome:
        if said.status is EndStatus.COMPLETED:
            most = self._options.max_result_bytes
            return outcomes.completed(said.result, field="result", max_bytes=most)
        if said.status is EndStatus.FAILED:
            # There is no retry after an operator has ended a task.
            final = bool(said.final) or said.token is None
            return outcomes.failed(said.error or "", final=final, retry_after=said.retry_after)
        if said.status is EndStatus.SNOOZED:
            return outcomes.snoozed(said.delay or 0.0, said.reason or "")
        return outcomes.cancelled(said.reason or "")

    async def _body(self, request: web.Request) -> bytes:
        options = self._options
        return await read_json_body(request, limit=options.max_request_bytes, timeout=options.request_timeout)


def _is_there(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()
