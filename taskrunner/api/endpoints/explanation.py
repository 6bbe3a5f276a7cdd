"""The route that explains why a task is not running now."""

from collections.abc import Sequence

from aiohttp import web

from taskrunner.api.auth.access import caller_of, stored_id
from taskrunner.api.http.parameters import TASK_ID
from taskrunner.api.http.requests import path_value
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.view import View
from taskrunner.domain.tasks.explanation import Reason
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.explainer import Explainer


class ExplanationView(View):
    """Why the task is not running now: the first reason has to end first. There is always one."""

    id: str
    status: Status
    reasons: Sequence[Reason]


_EXPLAIN = Operation(
    summary="Why a task is not running now, in sentences and as data.",
    answers={200: ExplanationView},
    problems=(404, 503),
)


class ExplanationRoutes:
    """`GET /tasks/{id}/explain`."""

    def __init__(self, explainer: Explainer) -> None:
        self._explainer = explainer

    def add_to(self, routes: Routes) -> None:
        routes.get("/tasks/{id}/explain", self.explain, _EXPLAIN)

    async def explain(self, request: web.Request) -> web.Response:
        sees_all = not caller_of(request).namespace
        found = await self._explainer.explain(stored_id(request), sees_all=sees_all)
        known_as = path_value(request, TASK_ID)
        return json_response(ExplanationView(id=known_as, status=found.record.status, reasons=found.reasons))
