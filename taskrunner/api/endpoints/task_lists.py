"""The route for lists of tasks: `GET /tasks`, page by page or as a stream of all that match."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from taskrunner.api.auth.access import Access, Caller, caller_of
from taskrunner.api.http.accept import NDJSON, wants_lines
from taskrunner.api.http.entity_tags import refuse_conditions
from taskrunner.api.http.line_stream import LineStreams
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import FIELDS, LIMIT, SORT, TASK_CONDITIONS, TASK_CURSOR, VIEW
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import prefix_of
from taskrunner.api.http.responses import json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.task import TaskPage, TaskView
from taskrunner.api.views.task_part import TaskPartPage, part_of
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.task_filter import TaskFilter, TaskOrder
from taskrunner.domain.value import Value
from taskrunner.producer.search import Search
from taskrunner.stores.base import Page, Store

# Tasks of one read of an export, which are in memory at a time.
_EXPORT_PAGE = 100
_LIST = Operation(
    summary="Tasks, the newest first. With Accept: application/x-ndjson, a stream of all that match.",
    answers={200: (TaskPage, TaskPartPage, NDJSON)},
    parameters=(*TASK_CONDITIONS, SORT, FIELDS, VIEW, LIMIT, TASK_CURSOR),
    problems=(400, 429, 503),
)


class TaskQuery(Value):
    """Which tasks are listed, in which order, and with which members: None for all."""

    selection: TaskFilter
    order: TaskOrder
    members: Sequence[str] | None


class TaskListRoutes:
    """`GET /tasks`."""

    def __init__(self, store: Store, access: Access, options: ApiSettings) -> None:
        self._search = Search(store)
        self._options = options
        self._streams = LineStreams(access)

    def add_to(self, routes: Routes) -> None:
        routes.get("/tasks", self.list, _LIST)

    async def list(self, request: web.Request) -> web.StreamResponse:
        query = Query(request, _LIST.parameters)
        caller = caller_of(request)
        asked = TaskQuery(
            selection=caller.selection(query.selection()),
            order=TaskOrder(query.get(SORT)),
            members=query.members(),
        )
        cursor, limit = query.get(TASK_CURSOR), query.get(LIMIT)
        lines = wants_lines(request.headers.get("Accept", ""))
        if lines:
            refuse_conditions(request)
            query.refuse_if_given(LIMIT, "is for pages; a stream has all tasks that match")
        query.refuse_if_wrong()
        prefix = prefix_of(request)
        if lines:

            async def read(cursor: str | None) -> Page[bytes]:
                page = await self._page(asked, caller, prefix, limit=_EXPORT_PAGE, cursor=cursor)
                return Page(items=[encode(task) for task in page.items], cursor=page.cursor)

            return await self._streams.answer(request, lambda: query.with_cursor(lambda: read(cursor)), read)
        page = await query.with_cursor(lambda: self._page(asked, caller, prefix, limit=limit, cursor=cursor))
        kind = TaskPage if asked.members is None else TaskPartPage
        view = kind(tasks=page.items, next_cursor=page.cursor)
        return json_response(view, headers=(("Vary", "Accept"), *next_page(request, page.cursor)))

    async def _page(
        self, asked: TaskQuery, caller: Caller, prefix: str, *, limit: int, cursor: str | None
    ) -> Page[Any]:
        """The tasks as they are shown."""
        found = await self._search.tasks(asked.selection, limit=limit, cursor=cursor, order=asked.order)
        masking, members = self._options.masking, asked.members
        views = (TaskView.of(caller.shown_record(record), masking, prefix=prefix) for record in found.items)
        shown = [view if members is None else part_of(view, members) for view in views]
        return Page(items=shown, cursor=found.cursor)
