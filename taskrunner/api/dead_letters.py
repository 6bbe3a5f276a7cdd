"""The routes for dead letters: list, read, requeue, delete; one, or all that meet conditions."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from taskrunner.api.options import ApiOptions
from taskrunner.api.requests import SWEEP_PARAMETERS, Query, prefix_of, task_id_of
from taskrunner.api.resources import dead_letter_resource, page_resource, swept_resource, task_resource
from taskrunner.api.responses import empty_response, json_response
from taskrunner.api.routes import Routes
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.selection import LETTER_CONDITIONS
from taskrunner.producer.revival import Revival
from taskrunner.producer.search import Search
from taskrunner.producer.sweep import Sweep
from taskrunner.stores.base import Store

Answer = TypeVar("Answer")


class DeadLetterRoutes:
    """`GET /dead-letters`, `/dead-letters/{id}`, `POST /dead-letters/requeue`, `POST /dead-letters/purge`."""

    def __init__(self, revival: Revival, sweep: Sweep, store: Store, options: ApiOptions) -> None:
        self._revival = revival
        self._sweep = sweep
        self._store = store
        self._search = Search(store)
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/dead-letters", self.list)
        routes.post("/dead-letters/requeue", self.requeue_all)
        routes.post("/dead-letters/purge", self.purge)
        routes.get("/dead-letters/{id}", self.read)
        routes.delete("/dead-letters/{id}", self.delete)
        routes.post("/dead-letters/{id}/requeue", self.requeue)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, ("limit", "cursor"), LETTER_CONDITIONS)
        selection, cursor = query.selection(), query.cursor()
        limit = query.limit(self._options.default_page, self._options.max_page)
        query.refuse_if_wrong()
        page = await _known_cursor(
            query, lambda: self._search.dead_letters(selection, limit=limit, cursor=cursor)
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
        task_id = await self._revival.requeue(task_id_of(request))
        prefix = prefix_of(request)
        record = await self._store.get(task_id)
        resource = {"id": task_id} if record is None else task_resource(record, prefix=prefix)
        return json_response(resource, status=202, headers=(("Location", f"{prefix}/tasks/{task_id}"),))

    async def delete(self, request: web.Request) -> web.Response:
        """204 once nothing is left of it."""
        await self._sweep.purge_one(task_id_of(request))
        return empty_response()

    async def requeue_all(self, request: web.Request) -> web.Response:
        """Up to `limit` that meet the conditions; with `rate` they become due that many a second."""
        query = Query(request, (*SWEEP_PARAMETERS, "rate"), LETTER_CONDITIONS)
        asked = query.sweep(self._options.default_sweep, self._options.max_sweep)
        rate = query.rate()
        query.refuse_if_wrong()
        swept = await _known_cursor(
            query,
            lambda: self._sweep.requeue(
                asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run, rate=rate
            ),
        )
        return json_response(swept_resource("requeue", swept, dry_run=asked.dry_run))

    async def purge(self, request: web.Request) -> web.Response:
        """Delete up to `limit` that meet the conditions."""
        query = Query(request, SWEEP_PARAMETERS, LETTER_CONDITIONS)
        asked = query.sweep(self._options.default_sweep, self._options.max_sweep)
        query.refuse_if_wrong()
        swept = await _known_cursor(
            query,
            lambda: self._sweep.purge(
                asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            ),
        )
        return json_response(swept_resource("purge", swept, dry_run=asked.dry_run))


async def _known_cursor(query: Query, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer; only the store knows the form of its cursors, so it is the store that refuses one."""
    try:
        return await ask()
    except ValueError:
        query.bad_cursor()
        query.refuse_if_wrong()
        raise
