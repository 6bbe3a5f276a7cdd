"""The service TaskExecutorManager, its methods for tasks: they do what the routes of the HTTP API do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.parameters import TASK_ID, TRACEPARENT
from taskrunner.api.http.problems import problem_of
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.views.task import TaskView
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError, TaskInvalid
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.grpc.call import Call
from taskrunner.grpc.errors import refusal_message
from taskrunner.grpc.incoming_tasks import IncomingTasks, NumberedRequest
from taskrunner.grpc.live_stream import TaskWatch
from taskrunner.grpc.messages import view_message
from taskrunner.grpc.task_messages import draft_json, task_message
from taskrunner.grpc.task_selection import bad_page_token, read_selection
from taskrunner.producer.batch_reader import BatchReader, LineDraft, NumberedLine, RefusedLine
from taskrunner.producer.batch_submit import RequestSubmit, SubmittedBatch
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.intake import Intake
from taskrunner.producer.search import Search
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.producer.task_reader import HolderDeleted, TaskReader, without_results
from taskrunner.stores.base import Store
from taskrunner.stores.values import Place
from taskrunner.v1 import task_executor_pb2 as pb

# Checking more takes longer than the loop's other clients should wait.
_LARGE_BYTES = 64 * 1024
# Clients take answers of up to 4 MiB, unless they are told otherwise.
_PAGE_BYTES = 3 * 1024 * 1024
# Statuses of a task that may wait for a slow client.
_MOST_WAITING = 100


class TaskMethods:
    """See `Boundary.handlers`."""

    def __init__(
        self,
        intake: Intake,
        cancellation: Cancellation,
        feed: TaskFeed,
        live: LiveRequests,
        store: Store,
        clock: Clock,
        options: ApiSettings,
    ) -> None:
        self._intake = intake
        self._cancellation = cancellation
        self._feed = feed
        self._live = live
        self._clock = clock
        self._options = options
        self._search = Search(store)
        self._reader = TaskReader(store, inline_body_bytes=options.inline_body_bytes)
        self._base = TaskDraft(url="http://example.com/")

    async def add_task(self, request: pb.AddTaskRequest, call: Call) -> pb.AddTaskResponse:
        raw, limits = draft_json(request, _traceparent(call)), self._intake.task_settings.limits
        if len(raw) > _LARGE_BYTES:
            draft = await asyncio.to_thread(LineDraft.from_json, raw, limits)
        else:
            draft = LineDraft.from_json(raw, limits)
        try:
            return await self._add(draft, len(raw), call)
        except HolderDeleted:
            # That frees the dedup key.
            return await self._add(draft, len(raw), call)

    async def add_tasks(
        self, requests: AsyncIterator[pb.AddTaskRequest], call: Call
    ) -> AsyncIterator[pb.AddTasksResponse]:
        reader = BatchReader(
            self._intake,
            self._base,
            submitter=call.caller.submitter,
            limit_bytes=self._options.max_request_bytes,
        )
        submit, incoming = RequestSubmit(self._intake, reader), IncomingTasks(requests)
        with self._live.streaming_for(call.caller.name, incoming, call.may_go_on):
            async with aclosing(incoming.parts()) as parts:
                async for part in parts:
                    for reply in await self._add_part(part, submit, call):
                        yield reply

    async def get_task(self, request: pb.GetTaskRequest, call: Call) -> pb.Task:
        record = await self._record(request.id, call)
        return await self._message(record, call)

    async def get_task_status(self, request: pb.GetTaskStatusRequest, call: Call) -> pb.TaskStatus:
        record = await self._record(request.id, call)
        view = TaskView.of(call.caller.shown_record(record), self._options.masking)
        return view_message(pb.TaskStatus, view)

    async def list_tasks(self, request: pb.ListTasksRequest, call: Call) -> pb.ListTasksResponse:
        wanted = read_selection(request, self._clock.now())
        conditions = call.caller.selection(wanted.conditions)
        try:
            page = await self._search.tasks(
                conditions, limit=wanted.limit, cursor=wanted.cursor, order=wanted.order
            )
        except ValueError as exc:
            raise bad_page_token() from exc
        answer, size = pb.ListTasksResponse(next_page_token=page.cursor or ""), 0
        for record in page.items:
            task = task_message(record, call.caller, self._options.masking)
            size += task.ByteSize()
            if size > _PAGE_BYTES and answer.tasks:
                break
            answer.tasks.append(task)
            if len(answer.tasks) < len(page.items):
                # Where the next page begins if this task is the last one for which there is room.
                answer.next_page_token = Place.of_task(record).cursor(conditions.namespace)
            else:
                answer.next_page_token = page.cursor or ""
        return answer

    async def cancel_task(self, request: pb.CancelTaskRequest, call: Call) -> pb.Task:
        task_id = call.change.target = call.caller.stored(TASK_ID.read(request.id))
        return await self._message(await self._cancellation.cancel(task_id), call)

    async def watch_task(self, request: pb.WatchTaskRequest, call: Call) -> AsyncIterator[pb.TaskEvent]:
        record = await self._record(request.id, call)
        watch = TaskWatch(record.task.id, most=_MOST_WAITING)
        place = self._live.streaming_for(call.caller.name, watch, call.may_go_on)
        with place, self._feed.kept_running():
            await self._feed.wait_ready()
            self._feed.watch(watch)
            try:
                async for news in watch.items():
                    event = pb.TaskEvent(task_id=call.caller.shown(news.change.task_id))
                    if news.change.status is not None:
                        event.status = pb.Status.Value(f"STATUS_{news.change.status.name}")
                    if news.record is not None:
                        event.task.CopyFrom(task_message(news.record, call.caller, self._options.masking))
                    yield event
            finally:
                self._feed.unwatch(watch)

    async def _record(self, task_id: str, call: Call) -> Record:
        return await self._reader.record(call.caller.stored(TASK_ID.read(task_id)))

    async def _message(self, record: Record, call: Call) -> pb.Task:
        body = await self._reader.inline_body(record)
        return task_message(record, call.caller, self._options.masking, body=body)

    async def _add(self, draft: LineDraft, size_bytes: int, call: Call) -> pb.AddTaskResponse:
        """Raises `HolderDeleted`, and as `Intake.submit` does."""
        caller, masking = call.caller, self._options.masking
        async with caller.room_for(1, size_bytes) as room:
            submitted = await self._intake.submit(
                draft, idempotency_key=draft.idempotency_key, submitter=caller.submitter
            )
            room.created = int(submitted.created)
        answer = pb.AddTaskResponse(created=submitted.created, deduplicated=submitted.deduplicated)
        if submitted.created:
            task = caller.shown_task(submitted.task)
            view = TaskView.of_accepted(task, masking, published=submitted.published)
            answer.task.CopyFrom(view_message(pb.Task, view))
        elif submitted.deduplicated and not caller.may_read:
            answer.task.id = caller.shown(submitted.id)
        else:
            record = await self._reader.known(submitted)
            if caller.may_read:
                answer.task.CopyFrom(await self._message(record, call))
            else:
                answer.task.CopyFrom(task_message(without_results(record), caller, masking))
        return answer

    async def _add_part(
        self, part: Sequence[NumberedRequest], submit: RequestSubmit, call: Call
    ) -> list[pb.AddTasksResponse]:
        """The answers to a part, in its order."""
        lines: list[NumberedLine] = []
        answers: list[pb.AddTasksResponse] = []
        traceparent = _traceparent(call)
        for number, request in part:
            try:
                lines.append((number, draft_json(request, traceparent)))
            except TaskInvalid as exc:
                answers.append(_refused(RefusedLine(number=number, error=exc), call))
        async with call.caller.room_for(len(lines), sum(len(raw) for _, raw in lines)) as room:
            async for done in submit.submit(lines):
                room.created += sum(each.created for each in done.submitted)
                answers += _answers(done, call)
        return sorted(answers, key=lambda each: each.number)


def _traceparent(call: Call) -> str | None:
    """The trace that the call belongs to."""
    given = call.metadata("traceparent")
    return TRACEPARENT.read(given[0]) if len(given) == 1 else None


def _answers(done: SubmittedBatch, call: Call) -> list[pb.AddTasksResponse]:
    accepted = [
        pb.AddTasksResponse(
            number=number,
            id=call.caller.shown(each.id),
            created=each.created,
            deduplicated=each.deduplicated,
        )
        for number, each in zip(done.numbers, done.submitted, strict=True)
    ]
    return accepted + [_refused(each, call) for each in done.refused]


def _refused(refused: RefusedLine, call: Call) -> pb.AddTasksResponse:
    """Raises an error that is no refusal."""
    error = refused.error
    shown = None if isinstance(error, OutsideError) else call.caller.shown_refusal(error)
    problem = problem_of(shown or error)
    if problem is None:
        raise error
    return pb.AddTasksResponse(number=refused.number, refusal=refusal_message(problem))
