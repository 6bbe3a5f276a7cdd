"""The routes for dead letters: list, group, read, requeue, delete. For many there are operations."""

from datetime import UTC, datetime, timedelta

from aiohttp import web

from taskrunner.api.auth.access import caller_of, stored_id
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import DEAD_LETTER_CONDITIONS, LETTER_CURSOR, LIMIT, choice
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import prefix_of
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.dead_letter import (
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterView,
    LetterGroupsView,
)
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import TaskUnknown
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.dead_letter_groups import MOST_COUNTED, LetterGrouper
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store

_LIST = Operation(
    summary="Failed tasks and unreadable messages, the newest first.",
    answers={200: DeadLetterPage},
    parameters=(*DEAD_LETTER_CONDITIONS, LIMIT, LETTER_CURSOR),
    problems=(400,),
)
_BUCKETS = {"1h": timedelta(hours=1), "1d": timedelta(days=1)}
_BUCKET = choice("bucket", "Count by hour, for a day, or by day, for 30 days.", tuple(_BUCKETS))
_GROUPS = Operation(
    summary=f"The executors, hosts and reasons of the newest {MOST_COUNTED:,} dead letters, with counts.",
    answers={200: LetterGroupsView},
    parameters=(*DEAD_LETTER_CONDITIONS, _BUCKET),
    problems=(400,),
)
_READ = Operation(
    summary="One dead letter, with the message as it arrived.",
    answers={200: DeadLetterDetail},
    problems=(404,),
)
_DELETE = Operation(
    summary="Delete a dead letter; a failed task with its result and history.",
    answers={204: None},
    problems=(404,),
)
_REQUEUE = Operation(
    summary="Requeue a dead letter: 202 with its task.", answers={202: TaskView}, problems=(404, 409)
)


class DeadLetterRoutes:
    """`GET /dead-letters`, `GET /dead-letter-groups`, and the methods and verb of `/dead-letters/{id}`."""

    def __init__(
        self, requeue: Requeuer, bulk_actions: BulkActions, store: Store, options: ApiSettings
    ) -> None:
        self._requeue = requeue
        self._bulk_actions = bulk_actions
        self._store = store
        self._search = Search(store)
        self._grouper = LetterGrouper(store)
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/dead-letters", self.list, _LIST)
        routes.get("/dead-letter-groups", self.groups, _GROUPS)
        routes.get("/dead-letters/{id}", self.read, _READ)
        routes.delete("/dead-letters/{id}", self.delete, _DELETE)
        routes.post("/dead-letters/{id}/requeue", self.requeue, _REQUEUE)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, _LIST.parameters)
        selection, cursor, limit = query.selection(), query.get(LETTER_CURSOR), query.get(LIMIT)
        query.refuse_if_wrong()
        caller = caller_of(request)
        page = await query.with_cursor(
            lambda: self._search.dead_letters(caller.selection(selection), limit=limit, cursor=cursor)
        )
        prefix = prefix_of(request)
        letters = [DeadLetterView.of(caller.shown_letter(each), prefix=prefix) for each in page.items]
        view = DeadLetterPage(dead_letters=letters, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

    async def groups(self, request: web.Request) -> web.Response:
        query = Query(request, _GROUPS.parameters)
        selection, bucket = query.selection(), _BUCKETS[query.get(_BUCKET)]
        query.refuse_if_wrong()
        found = await self._grouper.groups(
            caller_of(request).selection(selection), bucket=bucket, now=datetime.now(UTC)
        )
        return json_response(LetterGroupsView.of(found))

    async def read(self, request: web.Request) -> web.Response:
        caller, letter_id = caller_of(request), stored_id(request)
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        shown = caller.shown_letter(letter)
        return json_response(DeadLetterDetail.of_letter(shown, prefix=prefix_of(request)))

    async def requeue(self, request: web.Request) -> web.Response:
        """202 with the task that is scheduled again. A request body is ignored."""
        caller, prefix = caller_of(request), prefix_of(request)
        task_id = await self._requeue.requeue(stored_id(request))
        record = await self._store.get(task_id)
        known_as = caller.shown(task_id)
        view = (
            {"id": known_as}
            if record is None
            else TaskView.of(caller.shown_record(record), self._options.masking, prefix=prefix)
        )
        return json_response(view, status=202, headers=(("Location", f"{prefix}/tasks/{known_as}"),))

    async def delete(self, request: web.Request) -> web.Response:
        """204 once it is removed."""
        await self._bulk_actions.delete_letter(stored_id(request))
        return empty_response()
