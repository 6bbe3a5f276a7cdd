"""The routes for attempts: one or all of a task, as JSON, as an HTTP Archive, or as a curl command."""

from aiohttp import web

from taskrunner.api import curl, har, schemas
from taskrunner.api.exchange import attempt_detail, attempts_resource
from taskrunner.api.operations import Operation, Parameter
from taskrunner.api.requests import Query, task_id_of
from taskrunner.api.responses import json_response, raw_response
from taskrunner.api.routes import Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.record import Record
from taskrunner.stores.base import OperatorStore

_MANY, _ONE = ("json", "har"), ("json", "har", "curl")


def _format(known: tuple[str, ...]) -> Parameter:
    return Parameter(
        name="format",
        description="JSON of ours (default), an HTTP Archive 1.2, or a curl command.",
        schema={"type": "string", "enum": list(known)},
    )


_LIST = Operation(
    summary="All attempts of a task: requests, answers, times.",
    answers={200: schemas.Attempts},
    parameters=(_format(_MANY),),
    problems=(400, 404, 503),
)
_READ = Operation(
    summary="One attempt of a task.",
    answers={200: schemas.AttemptDetail},
    parameters=(_format(_ONE),),
    problems=(400, 404, 503),
)


class AttemptRoutes:
    """`GET /tasks/{id}/attempts` and `/tasks/{id}/attempts/{number}`."""

    def __init__(self, store: OperatorStore, options: ApiSettings) -> None:
        self._store = store
        self._user_agent = options.user_agent
        self._masking = options.masking

    def add_to(self, routes: Routes) -> None:
        routes.get("/tasks/{id}/attempts", self.list, _LIST)
        routes.get("/tasks/{id}/attempts/{number}", self.read, _READ)

    async def list(self, request: web.Request) -> web.Response:
        form = _form(request, _MANY)
        resource = attempts_resource(await self._record(request), self._masking, user_agent=self._user_agent)
        return json_response(har.archive(resource["attempts"]) if form == "har" else resource)

    async def read(self, request: web.Request) -> web.Response:
        form = _form(request, _ONE)
        given = request.match_info["number"]
        if not (given.isascii() and given.isdecimal() and len(given) < 10):
            raise TaskUnknown("attempts have numbers, from 1 on")
        record = await self._record(request)
        detail = attempt_detail(record, int(given), self._masking, user_agent=self._user_agent)
        if form == "curl":
            text = curl.command(detail, timeout=record.task.timeout)
            return raw_response(text.encode(), 200, "text/plain; charset=utf-8")
        return json_response(har.archive([detail]) if form == "har" else detail)

    async def _record(self, request: web.Request) -> Record:
        task_id = task_id_of(request)
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown(f"no task has the id {task_id!r}: it never was, or its retention is over")
        return record


def _form(request: web.Request, known: tuple[str, ...]) -> str:
    query = Query(request, ("format",))
    form = query.choice("format", known)
    query.refuse_if_wrong()
    return form
