"""The routes for dead letters: list, read, requeue and delete one, or all that meet conditions."""

from aiohttp import web

from taskrunner.api.access import Caller, caller_of, stored_id
from taskrunner.api.audited import change_of
from taskrunner.api.next_page import next_page
from taskrunner.api.parameters import BULK, CURSOR, DEAD_LETTER_CONDITIONS, LIMIT, RATE, STOP_AT
from taskrunner.api.query import BulkQuery, Query
from taskrunner.api.requests import prefix_of
from taskrunner.api.responses import empty_response, json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.api.views.dead_letter import (
    BulkResultView,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterView,
    RequeueView,
)
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.value import replace
from taskrunner.producer.bulk_actions import BulkActions, BulkResult
from taskrunner.producer.gradual_requeue import GradualRequeue, RequeueSample, RequeueWave
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store

_WATCHED = 20  # ids in a cursor
# Characters that occur in no id, and in no cursor of a list.
_PARTS, _IDS = "|", "="
_LIST = Operation(
    summary="Failed tasks and unreadable messages, the newest first.",
    answers={200: DeadLetterPage},
    parameters=(*DEAD_LETTER_CONDITIONS, LIMIT, CURSOR),
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
_REQUEUE_ALL = Operation(
    summary="Requeue all that meet the conditions.",
    answers={200: RequeueView},
    parameters=(*DEAD_LETTER_CONDITIONS, *BULK, RATE, STOP_AT),
    problems=(400, 503),
)
_PURGE = Operation(
    summary="Delete all that meet the conditions.",
    answers={200: BulkResultView},
    parameters=(*DEAD_LETTER_CONDITIONS, *BULK),
    problems=(400, 503),
)


class DeadLetterRoutes:
    """`GET /dead-letters`, `/dead-letters/{id}`, `POST /dead-letters/requeue`, `POST /dead-letters/purge`."""

    def __init__(
        self, requeue: Requeuer, bulk_actions: BulkActions, store: Store, options: ApiSettings
    ) -> None:
        self._requeue = requeue
        self._bulk_actions = bulk_actions
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
        query = Query(request, _LIST.parameters)
        selection, cursor, limit = query.selection(), query.get(CURSOR), query.get(LIMIT)
        query.refuse_if_wrong()
        caller = caller_of(request)
        page = await query.with_cursor(
            lambda: self._search.dead_letters(caller.selection(selection), limit=limit, cursor=cursor)
        )
        prefix = prefix_of(request)
        letters = [DeadLetterView.of(caller.shown_letter(each), prefix=prefix) for each in page.items]
        view = DeadLetterPage(dead_letters=letters, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

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
        await self._bulk_actions.purge_one(stored_id(request))
        return empty_response()

    async def requeue_all(self, request: web.Request) -> web.Response:
        """Up to `limit` that meet the conditions; with `rate`, that many become due per second.

        With `stop_at` the cursor carries a sample of what was requeued, which the next request examines.
        """
        query = Query(request, _REQUEUE_ALL.parameters)
        asked = _asked(query, request)
        rate, stop_at = query.get(RATE), query.get(STOP_AT)
        query.refuse_if_wrong()
        caller = caller_of(request)
        wave = await query.with_cursor(lambda: self._wave(asked, rate, stop_at, caller))
        change_of(request).add(len(wave.result.ids) if wave.result else 0)
        return json_response(_requeue_view(wave, asked, caller))

    async def _wave(
        self, asked: BulkQuery, rate: float | None, stop_at: float | None, caller: Caller
    ) -> RequeueWave:
        cursor, sample = _read_cursor(asked.cursor, caller)
        if stop_at is None or asked.dry_run:
            result = await self._bulk_actions.requeue(
                asked.selection, limit=asked.limit, cursor=cursor, dry_run=asked.dry_run, rate=rate
            )
            return RequeueWave(result=result, sample=RequeueSample())
        gradual_requeue = GradualRequeue(self._bulk_actions, self._store, stop_at=stop_at, keep=_WATCHED)
        return await gradual_requeue.wave(
            asked.selection, limit=asked.limit, cursor=cursor, sample=sample, rate=rate
        )

    async def purge(self, request: web.Request) -> web.Response:
        """Delete up to `limit` that meet the conditions."""
        query = Query(request, _PURGE.parameters)
        asked = _asked(query, request)
        query.refuse_if_wrong()
        result = await query.with_cursor(
            lambda: self._bulk_actions.purge(
                asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            ),
        )
        change_of(request).add(len(result.ids))
        return json_response(BulkResultView.of("purge", result, dry_run=asked.dry_run))


def _asked(query: Query, request: web.Request) -> BulkQuery:
    """What to change of what the caller can see."""
    asked = query.bulk()
    return replace(asked, selection=caller_of(request).selection(asked.selection))


def _requeue_view(wave: RequeueWave, asked: BulkQuery, caller: Caller) -> RequeueView:
    """The cursor carries the sample, so that the next request can continue it."""
    sample = wave.sample
    result = wave.result or BulkResult(matched=0, ids=(), cursor=_read_cursor(asked.cursor, caller)[0])
    following = result.cursor
    if following is not None and wave.result is not None and sample != RequeueSample():
        watched = _IDS.join(map(caller.shown, sample.watched))
        following = _PARTS.join((following, str(sample.ended), str(sample.failed), watched))
    return RequeueView(
        action="requeue",
        dry_run=asked.dry_run,
        matched=result.matched,
        done=len(result.ids),
        next_cursor=following,
        stopped=wave.result is None,
        ended=sample.ended,
        failed=sample.failed,
    )


def _read_cursor(cursor: str | None, caller: Caller) -> tuple[str | None, RequeueSample]:
    """Where in the list to continue, and the sample, of the caller's own tasks. Raises `ValueError`."""
    if cursor is None or _PARTS not in cursor:
        return cursor, RequeueSample()
    place, ended, failed, watched = cursor.split(_PARTS)
    ids = tuple(map(caller.stored, watched.split(_IDS))) if watched else ()
    return place, RequeueSample(watched=ids, ended=int(ended), failed=int(failed))
