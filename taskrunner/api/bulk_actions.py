"""The routes that change many tasks: `POST /tasks/cancel`, `/tasks/requeue`, `/tasks/delete`."""

from functools import partial
from typing import Any

from aiohttp import web

from taskrunner.api.access import caller_of
from taskrunner.api.audited import change_of
from taskrunner.api.parameters import BULK, TASK_CONDITIONS, Parameter
from taskrunner.api.query import Query
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.dead_letter import BulkResultView
from taskrunner.producer.bulk_actions import BulkAction, BulkActions

_SUMMARIES = {
    BulkAction.CANCEL: "Cancel all live tasks that meet the conditions.",
    BulkAction.REQUEUE: "Requeue all failed tasks that meet the conditions.",
    BulkAction.DELETE: "Delete all tasks that meet the conditions.",
}
_PARAMETERS: tuple[Parameter[Any], ...] = (*TASK_CONDITIONS, *BULK)


class BulkActionRoutes:
    """Each request changes up to `limit` tasks, or only counts them."""

    def __init__(self, bulk_actions: BulkActions) -> None:
        self._bulk_actions = bulk_actions

    def add_to(self, routes: Routes) -> None:
        for action, summary in _SUMMARIES.items():
            operation = Operation(
                summary=summary,
                answers={200: BulkResultView},
                parameters=_PARAMETERS,
                problems=(400, 503),
            )
            routes.post(f"/tasks/{action}", partial(self.change, action), operation)

    async def change(self, action: BulkAction, request: web.Request) -> web.Response:
        query = Query(request, _PARAMETERS)
        asked = query.bulk()
        query.refuse_if_wrong()
        selection = caller_of(request).selection(asked.selection)
        result = await query.with_cursor(
            lambda: self._bulk_actions.tasks(
                action, selection, limit=asked.limit, cursor=asked.cursor, dry_run=asked.dry_run
            )
        )
        change_of(request).add(len(result.ids))
        return json_response(BulkResultView.of(action, result, dry_run=asked.dry_run))
