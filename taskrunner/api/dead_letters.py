"""The routes for dead letters: list, read, requeue."""

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation
from taskrunner.api.options import ApiOptions
from taskrunner.api.requests import CURSOR, LIMIT, Query, prefix_of, task_id_of
from taskrunner.api.resources import dead_letter_resource, page_resource, task_resource
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.domain.errors import TaskUnknown
from taskrunner.producer.revival import Revival
from taskrunner.stores.base import Store

_LIST = Operation(
    summary="Failed tasks and unreadable messages, the latest first.",
    answers={200: schemas.DeadLetterPage},
    parameters=(LIMIT, CURSOR),
    problems=(400,),
)
_READ = Operation(
    summary="One dead letter, with the message as it came.",
    answers={200: schemas.FullDeadLetter},
    problems=(404,),
)
_REQUEUE = Operation(
    summary="Let it go on: 202 with the task that does.", answers={202: schemas.Task}, problems=(404, 409)
)


class DeadLetterRoutes:
    """`GET /dead-letters`, `GET /dead-letters/{id}`, `POST /dead-letters/{id}/requeue`."""

    def __init__(self, revival: Revival, store: Store, options: ApiOptions) -> None:
        self._revival = revival
        self._store = store
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/dead-letters", self.list, _LIST)
        routes.get("/dead-letters/{id}", self.read, _READ)
        routes.post("/dead-letters/{id}/requeue", self.requeue, _REQUEUE)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, ("limit", "cursor"))
        cursor = query.cursor()
        limit = query.limit(self._options.default_page, self._options.max_page)
        query.refuse_if_wrong()
        try:
            page = await self._store.list_dead_letters(limit=limit, cursor=cursor)
        except ValueError:
            # Only the store knows the form of its cursors.
            query.bad_cursor()
            query.refuse_if_wrong()
            raise
        prefix = prefix_of(request)
        letters = [dead_letter_resource(letter, prefix=prefix) for letter in page.items]
        return json_response(page_resource("dead_letters", letters, page.cursor))

    async def read(self, request: web.Request) -> web.Response:
        letter_id = task_id_of(request)
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        return json_response(dead_letter_resource(letter, prefix=prefix_of(request), full=True))

    async def requeue(self, request: web.Request) -> web.Response:
        """202 with the task that goes on; a body, if there is one, is not looked at."""
        task_id = await self._revival.requeue(task_id_of(request))
        prefix = prefix_of(request)
        record = await self._store.get(task_id)
        resource = {"id": task_id} if record is None else task_resource(record, prefix=prefix)
        return json_response(resource, status=202, headers=(("Location", f"{prefix}/tasks/{task_id}"),))
