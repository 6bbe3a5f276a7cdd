"""The routes that do one thing to many tasks: `POST /tasks/cancel`, `/tasks/requeue`, `/tasks/delete`."""

from functools import partial

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation
from taskrunner.api.requests import CONDITION_PARAMETERS, SWEEP, SWEEP_PARAMETERS, Query
from taskrunner.api.resources import bulk_result_resource
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.domain.task_filter import CONDITIONS
from taskrunner.producer.bulk_actions import BulkAction, BulkActions

_SUMMARIES = {
    BulkAction.CANCEL: "Cancel all live tasks that meet the conditions.",
    BulkAction.REQUEUE: "Let all failed tasks go on that meet the conditions.",
    BulkAction.DELETE: "Remove all tasks that meet the conditions.",
}


class BulkActionRoutes:
    """Up to `limit` with each request, a dry run on demand."""

    def __init__(self, bulk_actions: BulkActions, options: ApiSettings) -> None:
        self._bulk_action = bulk_actions
        self._options = options

    def add_to(self, routes: Routes) -> None:
        for action, summary in _SUMMARIES.items():
            operation = Operation(
                summary=summary,
                answers={200: schemas.BulkResult},
                parameters=(*CONDITION_PARAMETERS, *SWEEP_PARAMETERS),
                problems=(400, 503),
            )
            routes.post(f"/tasks/{action}", partial(self.bulk_actions, action), operation)

    async def bulk_actions(self, action: BulkAction, request: web.Request) -> web.Response:
        query = Query(request, SWEEP, CONDITIONS)
        asked = query.bulk_actions(self._options.default_bulk_action, self._options.max_bulk_action)
        query.refuse_if_wrong()
        result = await query.known_cursor(
            lambda: self._bulk_action.tasks(
                action, asked.selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            )
        )
        return json_response(bulk_result_resource(action, result, dry_run=asked.dry_run))
