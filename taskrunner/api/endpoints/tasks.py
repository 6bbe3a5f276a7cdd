"""The routes for tasks: submit, read, cancel, delete, and the bytes that were fetched."""

import asyncio

from aiohttp import web

from taskrunner.api.auth.access import Caller, caller_of, stored_id
from taskrunner.api.http.entity_tags import condition_of
from taskrunner.api.http.parameters import (
    FIELDS,
    IDEMPOTENCY_KEY,
    PREFER,
    TASK_DRY_RUN,
    TASK_ID,
    TRACEPARENT,
    VIEW,
)
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import header_value, path_value, prefix_of, read_json_body
from taskrunner.api.http.responses import empty_response, json_response, raw_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.dry_run import DryRunView
from taskrunner.api.views.task import DedupHolderView, DeduplicatedView, TaskView, as_text
from taskrunner.api.views.task_part import TaskPart, part_of
from taskrunner.api.waiting import Waited, Waiting
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.value import replace
from taskrunner.producer.cancellation import Cancellation, TaskCheck
from taskrunner.producer.dry_runner import DryRunner
from taskrunner.producer.intake import Intake, Submitted
from taskrunner.producer.task_reader import HolderDeleted, TaskReader, without_results
from taskrunner.stores.base import Store

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript", "application/yaml")
_TEXT_SUFFIXES = ("+json", "+xml", "+yaml")
# A fetched body is not ours: no browser may run it, guess its type, or show it as a page of ours.
_SANDBOX = ("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")

# Checking more takes longer than the loop's other clients should wait.
_LARGE_BYTES = 64 * 1024
_SUBMIT = Operation(
    summary="Submit a task.",
    answers={200: (DeduplicatedView, DryRunView, TaskView, DedupHolderView), 202: TaskView},
    takes={"application/json": TaskDraft},
    parameters=(TASK_DRY_RUN, IDEMPOTENCY_KEY, TRACEPARENT, PREFER),
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_READ = Operation(
    summary="A task and all that is known of it.",
    answers={200: (TaskView, TaskPart)},
    parameters=(FIELDS, VIEW, PREFER),
    problems=(400, 404, 503),
)
_BODY = Operation(
    summary="The fetched bytes: text as text/plain, anything else as application/octet-stream.",
    answers={200: "*/*"},
    problems=(404, 503),
)
_CANCEL = Operation(
    summary="Cancel a task that has not ended; a running fetch is cut.",
    answers={200: TaskView},
    problems=(404, 409, 503),
    tagged=True,
)
_DELETE = Operation(
    summary="Delete a task with its result and history; a running fetch is cut.",
    answers={204: None},
    problems=(404, 409, 503),
    tagged=True,
)


class TaskRoutes:
    """`POST /tasks`, `/tasks/{id}` and its body, cancel and delete."""

    def __init__(
        self,
        intake: Intake,
        dry_runner: DryRunner,
        cancellation: Cancellation,
        store: Store,
        waiting: Waiting,
        options: ApiSettings,
        *,
        max_request_bytes: int,
    ) -> None:
        self._intake = intake
        self._dry_runner = dry_runner
        self._cancellation = cancellation
        self._reader = TaskReader(store, inline_body_bytes=options.inline_body_bytes)
        self._waiting = waiting
        self._options = options
        self._max_request_bytes = max_request_bytes

    def add_to(self, routes: Routes) -> None:
        routes.post("/tasks", self.submit, _SUBMIT)
        routes.get("/tasks/{id}", self.read, _READ)
        routes.get("/tasks/{id}/body", self.body, _BODY)
        routes.post("/tasks/{id}/cancel", self.cancel, _CANCEL)
        routes.delete("/tasks/{id}", self.delete, _DELETE)

    async def submit(self, request: web.Request) -> web.Response:
        """202 once the store has the task.

        A repetition (the same Idempotency-Key or id with the same content) gets the same status as the
        first answer did, with the task as it is now, and `Idempotency-Replayed: true`. A task whose dedup key
        another task holds gets 200 with that one, and `Deduplicated: true`. A client that prefers to wait
        gets 200 with the result, unless the task takes longer. A key without the scope `read` sees no
        attempts and no result, and of a task that holds a dedup key only the id.
        """
        is_dry_run = bool(request.query_string) and _asks_for_dry_run(request)
        raw = await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )
        key = header_value(request, IDEMPOTENCY_KEY)
        caller, limits = caller_of(request), self._intake.task_settings.limits
        if len(raw) > _LARGE_BYTES:
            draft = await asyncio.to_thread(TaskDraft.from_json, raw, limits)
        else:
            draft = TaskDraft.from_json(raw, limits)
        draft = _traced(draft, request)
        if is_dry_run:
            found = await self._dry_runner.run(draft, idempotency_key=key, submitter=caller.submitter)
            return json_response(DryRunView.of(caller.shown_dry_run(found), self._options.masking))
        try:
            return await self._submit(
                draft, key, request, caller, len(raw), may_wait="Prefer" in request.headers
            )
        except HolderDeleted:
            # That frees the dedup key. The client has waited already, if it wanted to.
            return await self._submit(draft, key, request, caller, len(raw), may_wait=False)

    async def read(self, request: web.Request) -> web.Response:
        query = Query(request, _READ.parameters)
        members = query.members()
        query.refuse_if_wrong()
        task_id, waited = stored_id(request), Waited()
        if "Prefer" in request.headers:
            waited = await self._waiting.until_ended(request, task_id)
            if waited.applied:
                await self._waiting.check_again(request)
        record = waited.record or await self._reader.record(task_id)
        body = await self._reader.inline_body(record) if members is None or "result" in members else None
        view = self._view(request, record, body)
        return json_response(view if members is None else part_of(view, members), headers=waited.applied)

    async def body(self, request: web.Request) -> web.Response:
        record = await self._reader.record(stored_id(request))
        result = record.result
        content = None if result is None else await self._reader.content(record.task.id, result)
        if result is None or content is None:
            detail = f"task {record.task.id} ({record.status}) has no fetched body"
            raise refuse(404, "body_unknown", detail)
        return _body_response(path_value(request, TASK_ID), result, content)

    async def cancel(self, request: web.Request) -> web.Response:
        """200 with the cancelled task. A request body is ignored."""
        record = await self._cancellation.cancel(stored_id(request), check=self._check(request))
        return json_response(self._view(request, record))

    async def delete(self, request: web.Request) -> web.Response:
        """204 once the task is removed."""
        await self._cancellation.delete(stored_id(request), check=self._check(request))
        return empty_response()

    def _check(self, request: web.Request) -> TaskCheck | None:
        """The condition of the request, to be checked on the state that a change replaces."""
        condition = condition_of(request)

        async def check(record: Record) -> None:
            condition.check(self._view(request, record, await self._reader.inline_body(record)))

        return check if condition.is_given else None

    def _view(self, request: web.Request, record: Record, body: bytes | None = None) -> TaskView:
        shown = caller_of(request).shown_record(record)
        return TaskView.of(shown, self._options.masking, prefix=prefix_of(request), body=body)

    async def _submit(
        self,
        draft: TaskDraft,
        key: str | None,
        request: web.Request,
        caller: Caller,
        size_bytes: int,
        *,
        may_wait: bool,
    ) -> web.Response:
        """Raises `HolderDeleted`, and as `Intake.submit` does."""
        if caller.has_quota:
            submitted = await self._submit_within_quota(draft, key, caller, size_bytes)
        else:
            submitted = await self._intake.submit(draft, idempotency_key=key, submitter=caller.submitter)
        location = ("Location", f"{prefix_of(request)}/tasks/{caller.shown(submitted.id)}")
        if may_wait:
            return await self._answer_in_time(submitted, location, request)
        if not submitted.created:
            return await self._known(submitted, location, request, may_read=caller.may_read)
        task = caller.shown_task(submitted.task)
        view = TaskView.of_accepted(task, self._options.masking, published=submitted.published)
        return json_response(view, status=202, headers=(location,))

    async def _submit_within_quota(
        self, draft: TaskDraft, key: str | None, caller: Caller, size_bytes: int
    ) -> Submitted:
        async with caller.room_for(1, size_bytes) as room:
            submitted = await self._intake.submit(draft, idempotency_key=key, submitter=caller.submitter)
            room.created = int(submitted.created)
            return submitted

    async def _answer_in_time(
        self, submitted: Submitted, location: tuple[str, str], request: web.Request
    ) -> web.Response:
        """200 with the result if there is one within the time for which the client prefers to wait.

        A key that was revoked meanwhile is told that the task was accepted, and no result.
        """
        waited = await self._waiting.until_ended(request, submitted.id)
        may_read = caller_of(request).may_read
        if waited.applied and not await self._waiting.may_still_read(request):
            waited, may_read = replace(waited, record=None), False
        if not submitted.created:
            return await self._known(submitted, location, request, waited, may_read=may_read)
        headers = (location, *waited.applied)
        if waited.record is not None:
            body = await self._reader.inline_body(waited.record)
            return json_response(self._view(request, waited.record, body), headers=headers)
        task = caller_of(request).shown_task(submitted.task)
        view = TaskView.of_accepted(task, self._options.masking, published=submitted.published)
        return json_response(view, status=202, headers=headers)

    async def _known(
        self,
        submitted: Submitted,
        location: tuple[str, str],
        request: web.Request,
        waited: Waited = Waited(),  # noqa: B008 - frozen, so a default may be shared
        *,
        may_read: bool,
    ) -> web.Response:
        headers = (location, *waited.applied)
        if submitted.deduplicated:
            headers = (*headers, ("Deduplicated", "true"))
            if not may_read:
                holder = DedupHolderView(id=caller_of(request).shown(submitted.id), deduplicated=True)
                return json_response(holder, headers=headers)
        record = waited.record or await self._reader.known(submitted)
        if may_read:
            view = self._view(request, record, await self._reader.inline_body(record))
        else:
            view = self._view(request, without_results(record))
        if submitted.deduplicated:
            return json_response(DeduplicatedView.copy(view, deduplicated=True), headers=headers)
        status = 202 if waited.record is None else 200
        return json_response(view, status=status, headers=(*headers, ("Idempotency-Replayed", "true")))


def _asks_for_dry_run(request: web.Request) -> bool:
    query = Query(request, _SUBMIT.parameters)
    is_dry_run = query.get(TASK_DRY_RUN)
    query.refuse_if_wrong()
    return is_dry_run


def _traced(draft: TaskDraft, request: web.Request) -> TaskDraft:
    """The draft in the trace of the request, unless the draft names one."""
    parent = header_value(request, TRACEPARENT)
    if parent is None or draft.traceparent is not None:
        return draft
    return draft.model_copy(update={"traceparent": parent})


def _body_response(task_id: str, result: Response, content: bytes) -> web.Response:
    text = _is_textual(result.content_type) and as_text(content, cut=result.truncated) is not None
    extension = "txt" if text else "bin"
    headers = (
        _SANDBOX,
        ("Content-Disposition", f'attachment; filename="{task_id}.{extension}"'),
        ("Taskrunner-Body-Truncated", "true" if result.truncated else "false"),
        ("Taskrunner-Body-Size", str(result.size_bytes)),
    )
    content_type = "text/plain; charset=utf-8" if text else "application/octet-stream"
    return raw_response(content, 200, content_type, headers)


def _is_textual(content_type: str | None) -> bool:
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return media_type.startswith(_TEXT_TYPES) or media_type.endswith(_TEXT_SUFFIXES)
