"""The routes for dead letters: list, read, requeue, delete; one, or all that meet conditions."""

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.gradual_requeues import read_place, requeued_resource
from taskrunner.api.operations import Operation, Parameter
from taskrunner.api.requests import (
    CONDITION_PARAMETERS,
    CURSOR,
    LIMIT,
    SWEEP,
    SWEEP_PARAMETERS,
    BulkActionQuery,
    Query,
    prefix_of,
    task_id_of,
)
from taskrunner.api.resources import bulk_result_resource, dead_letter_resource, page_resource, task_resource
from taskrunner.api.responses import empty_response, json_response
from taskrunner.api.routes import Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.task_filter import LETTER_CONDITIONS
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.gradual_requeue import GradualRequeue, RequeueSample, RequeueWave
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store

_WATCHED = 20  # ids in a cursor
_CONDITIONS = tuple(each for each in CONDITION_PARAMETERS if each.name in LETTER_CONDITIONS)
_RATE = Parameter(
    name="rate", description="So many a second become due; else all at once.", schema={"type": "number"}
)
_STOP_AT = Parameter(
    name="stop_at",
    description="Do nothing when more than this percentage of those before failed again, as far as was seen.",
    schema={"type": "number", "minimum": 0, "maximum": 100},
)
_LIST = Operation(
    summary="Failed tasks and unreadable messages, the latest first.",
    answers={200: schemas.DeadLetterPage},
    parameters=(*_CONDITIONS, LIMIT, CURSOR),
    problems=(400,),
)
_READ = Operation(
    summary="One dead letter, with the message as it came.",
    answers={200: schemas.FullDeadLetter},
    problems=(404,),
)
_DELETE = Operation(
    summary="Remove it; a failed task with all that is known of it.", answers={204: None}, problems=(404,)
)
_REQUEUE = Operation(
    summary="Let it go on: 202 with the task that does.", answers={202: schemas.Task}, problems=(404, 409)
)
_REQUEUE_ALL = Operation(
    summary="Let all go on that meet the conditions.",
    answers={200: schemas.Requeued},
    parameters=(*_CONDITIONS, *SWEEP_PARAMETERS, _RATE, _STOP_AT),
    problems=(400, 503),
)
_PURGE = Operation(
    summary="Remove all that meet the conditions.",
    answers={200: schemas.BulkResult},
    parameters=(*_CONDITIONS, *SWEEP_PARAMETERS),
    problems=(400, 503),
)


class DeadLetterRoutes:
    """`GET /dead-letters`, `/dead-letters/{id}`, `POST /dead-letters/requeue`, `POST /dead-letters/purge`."""

    def __init__(
        self, requeue: Requeuer, bulk_actions: BulkActions, store: Store, options: ApiSettings
    ) -> None:
        self._requeuer = requeue
        self._bulk_action = bulk_actions
        self._store = store
        self._search = Search(store)
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/dead-letters", self.list, _LIST)
        routes.post("/dead-letters/requeue", self.requeue_all, _REQUEUE_ALL)
        routes.post("/dead-letters/purge", self.purge, _PURGE)
        routes.get("/dead-letters/{id}", self.read, _READ)
        routes.delete("/dead-letters/{id}", self.delete, _DELETE)
        routes.post("/dead-letters/{id}/requeue", self.requeue, _REQUEUE)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, ("limit", "cursor"), LETTER_CONDITIONS)
        selection, cursor = query.selection(), query.cursor()
        limit = query.limit(self._options.default_page, self._options.max_page)
        query.refuse_if_wrong()
        page = await query.known_cursor(
            lambda: self._search.dead_letters(selection, limit=limit, cursor=cursor)
        )
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
        task_id = await self._requeuer.requeue(task_id_of(request))
        prefix = prefix_of(request)
        record = await self._store.get(task_id)
        resource = (
            {"id": task_id} if record is None else task_resource(record, self._options.masking, prefix=prefix)
        )
        return json_response(resource, status=202, headers=(("Location", f"{prefix}/tasks/{task_id}"),))

    async def delete(self, request: web.Request) -> web.Response:
        """204 once nothing is left of it."""
        await self._bulk_action.purge_one(task_id_of(request))
        return empty_response()

    async def requeue_all(self, request: web.Request) -> web.Response:
        """Up to `limit` that meet the conditions; with `rate` they become due that many a second.

        With `stop_at` the cursor carries a sample of what was requeued, by which the next request judges.
        """
        query = Query(request, (*SWEEP, "rate", "stop_at"), LETTER_CONDITIONS)
        asked = query.bulk_actions(self._options.default_bulk_action, self._options.max_bulk_action)
        rate, stop_at = query.rate(), query.percentage("stop_at")
        query.refuse_if_wrong()
        wave = await query.known_cursor(lambda: self._wave(asked, rate, stop_at))
        return json_response(requeued_resource(wave, asked.cursor, dry_run=asked.dry_run))

    async def _wave(self, asked: BulkActionQuery, rate: float | None, stop_at: float | None) -> RequeueWave:
        cursor, sample = read_place(asked.cursor)
        if stop_at is None or asked.dry_run:
            result = await self._bulk_action.requeue(
                asked.selection, limit=asked.limit, cursor=cursor, dry_run=asked.dry_run, rate=rate
            )
            return RequeueWave(result=result, sample=RequeueSample())
        gradual_requeue = GradualRequeue(self._bulk_action, self._store, stop_at=stop_at, keep=_WATCHED)
        return await gradual_requeue.wave(
            asked.selection, limit=asked.limit, cursor=cursor, sample=sample, rate=rate
        )

    async def purge(self, request: web.Request) -> web.Response:
        """Delete up to `limit` that meet the conditions."""
        query = Query(request, SWEEP, LETTER_CONDITIONS)
        asked = query.bulk_actions(self._options.default_bulk_action, self._options.max_bulk_action)
        query.refuse_if_wrong()
        result = await query.known_cursor(
            lambda: self._bulk_action.purge(
                asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            ),
        )
        return json_response(bulk_result_resource("purge", result, dry_run=asked.dry_run))
