"""The routes that do one thing to many tasks: `POST /tasks/cancel`, `/tasks/retry`, `/tasks/delete`."""

from functools import partial

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation
from taskrunner.api.options import ApiOptions
from taskrunner.api.requests import CONDITION_PARAMETERS, SWEEP, SWEEP_PARAMETERS, Query
from taskrunner.api.resources import swept_resource
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.domain.selection import CONDITIONS
from taskrunner.producer.sweep import Action, Sweep

_SUMMARIES = {
    Action.CANCEL: "Cancel all live tasks that meet the conditions.",
    Action.RETRY: "Let all failed tasks go on that meet the conditions.",
    Action.DELETE: "Remove all tasks that meet the conditions.",
}


class SweepRoutes:
    """Up to `limit` with each request, a dry run on demand."""

    def __init__(self, sweep: Sweep, options: ApiOptions) -> None:
        self._sweep = sweep
        self._options = options

    def add_to(self, routes: Routes) -> None:
        for action, summary in _SUMMARIES.items():
            operation = Operation(
                summary=summary,
                answers={200: schemas.Swept},
                parameters=(*CONDITION_PARAMETERS, *SWEEP_PARAMETERS),
                problems=(400, 503),
            )
            routes.post(f"/tasks/{action}", partial(self.sweep, action), operation)

    async def sweep(self, action: Action, request: web.Request) -> web.Response:
        query = Query(request, SWEEP, CONDITIONS)
        asked = query.sweep(self._options.default_sweep, self._options.max_sweep)
        query.refuse_if_wrong()
        swept = await query.known_cursor(
            lambda: self._sweep.tasks(
                action, asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            )
        )
        return json_response(swept_resource(action, swept, dry_run=asked.dry_run))
