"""`POST /tasks/batch`: many tasks in one request."""

import asyncio
from contextlib import nullcontext

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.http.parameters import ATOMIC, IDEMPOTENCY_KEY, TASK_DRY_RUN
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import header_value, read_json_body
from taskrunner.api.http.responses import json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.batch import BatchAnswer, BatchItem, items_of
from taskrunner.domain.json_text import BOM, JsonUnfit, elements
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.batch_reader import BatchReader, NumberedLine, meaningful
from taskrunner.producer.batch_submit import RequestSubmit, SubmittedBatch
from taskrunner.producer.intake import Intake
from taskrunner.producer.task_quota import Room
from taskrunner.stores.intake_store import ATOMIC_BYTES, ATOMIC_TASKS

_LINES = ("application/x-ndjson", "application/jsonl")
_BATCH_TASKS = 10_000
# A text that begins with a bracket is taken for an array, as which it may not be JSON.
_LINES_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "pattern": r"^[ \t-\r]*(?:[^ \t-\r\[]|$)",
    "examples": ['{"url": "https://example.com/"}\n'],
}
_BATCH = Operation(
    summary=f"Submit up to {_BATCH_TASKS} tasks, as an array or as lines: URLs, or what POST /tasks takes.",
    answers={200: BatchAnswer},
    takes={
        # Each element is checked on its own, and its item in the answer has the error.
        "application/json": {
            "type": "array",
            "items": {},
            "description": "URLs, or objects as POST /tasks takes, which may have an idempotency_key.",
            "examples": [["https://example.com/", {"url": "https://example.com/", "idempotency_key": "a"}]],
        },
        **dict.fromkeys(_LINES, _LINES_SCHEMA),
    },
    parameters=(IDEMPOTENCY_KEY, ATOMIC, TASK_DRY_RUN),
    problems=(400, 408, 409, 413, 415, 422, 503),
)


class BatchRoutes:
    """`POST /tasks/batch`."""

    def __init__(self, intake: Intake, options: ApiSettings) -> None:
        self._intake = intake
        self._options = options
        self._base = TaskDraft(url="http://example.com/")

    def add_to(self, routes: Routes) -> None:
        limit = self._options.max_batch_bytes
        routes.post("/tasks/batch", self.submit, _BATCH, max_request_bytes=limit)

    async def submit(self, request: web.Request) -> web.Response:
        """200 with one item for each task. Safe to repeat for tasks with ids of their own, or with a key."""
        query = Query(request, _BATCH.parameters)
        is_atomic, is_dry_run = query.get(ATOMIC), query.get(TASK_DRY_RUN)
        query.refuse_if_wrong()
        if not request.can_read_body:
            raise _no_body()
        options = self._options
        limit = min(options.max_batch_bytes, ATOMIC_BYTES) if is_atomic else options.max_batch_bytes
        raw = await read_json_body(request, limit=limit, timeout=options.request_timeout, also=_LINES)
        if not raw:
            raise _no_body()
        lines = await asyncio.to_thread(_numbered, raw, request.content_type in _LINES)
        most = ATOMIC_TASKS if is_atomic else _BATCH_TASKS
        if len(lines) > most:
            detail = f"{len(lines)} tasks, at most {most} in one request are allowed"
            raise refuse(413, "body_too_large", f"{detail} with atomic=true" if is_atomic else detail)
        caller = caller_of(request)
        reader = BatchReader(
            self._intake,
            self._base,
            key=header_value(request, IDEMPOTENCY_KEY),
            submitter=caller.submitter,
            limit_bytes=options.max_request_bytes,
        )
        if not lines:
            return json_response(BatchAnswer(items=()))
        submit = RequestSubmit(self._intake, reader, dry_run=is_dry_run)
        async with nullcontext(Room()) if is_dry_run else caller.room_for(len(lines), len(raw)) as room:
            items: list[BatchItem] = []
            if is_atomic:
                done = await submit.submit_all(lines)
                room.created = _created(done)
                items += items_of(done, shown=caller.shown)
            else:
                async for part in submit.submit(lines):
                    room.created += _created(part)
                    items += items_of(part, shown=caller.shown)
        replayed = all(item.status == 202 and not item.created for item in items)
        headers = (("Idempotency-Replayed", "true"),) if replayed and not is_dry_run else ()
        return json_response(BatchAnswer(items=items), headers=headers)


def _created(part: SubmittedBatch) -> int:
    return sum(each.created for each in part.submitted)


def _no_body() -> Exception:
    """An empty answer of 200 would hide that a file was not found, or its content lost on the way."""
    return refuse(
        400,
        "bad_request",
        "there is no body; send a JSON array of tasks, or one task a line as application/x-ndjson",
    )


def _numbered(raw: bytes, in_lines: bool) -> list[NumberedLine]:
    """The tasks of a batch: its lines, or the elements of its JSON array, as numbered lines.

    An array is also taken for one when it is sent as lines.
    """
    text = raw.removeprefix(BOM)
    is_array = text.lstrip().startswith(b"[")
    if not is_array and not in_lines:
        raise refuse(400, "bad_json", "the body is not a JSON array; send lines as application/x-ndjson")
    if not is_array:
        return list(meaningful(text.split(b"\n")))
    try:
        return list(enumerate(elements(text), start=1))
    except JsonUnfit as exc:
        raise refuse(400, "bad_json", f"the body is not JSON: {exc}") from exc
