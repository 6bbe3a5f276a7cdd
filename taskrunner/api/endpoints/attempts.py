"""The routes for the attempts of a task, as JSON, as an HTTP Archive, or as a curl command."""

from aiohttp import web

from taskrunner.api import curl, har
from taskrunner.api.auth.access import stored_id
from taskrunner.api.har import HttpArchive
from taskrunner.api.http.parameters import ATTEMPT_NUMBER, TASK_ID, Parameter, choice
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value
from taskrunner.api.http.responses import json_response, raw_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.attempt import AttemptDetail, AttemptList
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.tasks.record import Record
from taskrunner.stores.base import OperatorStore

_FORMATS = "Our own JSON (default), an HTTP Archive 1.2, or a curl command."
_LIST_FORMAT = choice("format", _FORMATS, ("json", "har"))
_FORMAT = choice("format", _FORMATS, ("json", "har", "curl"))
_LIST = Operation(
    summary="All attempts of a task: requests, answers, times.",
    answers={200: (AttemptList, HttpArchive)},
    parameters=(_LIST_FORMAT,),
    problems=(400, 404, 503),
)
_READ = Operation(
    summary="One attempt of a task.",
    answers={200: (AttemptDetail, HttpArchive, "text/plain")},
    parameters=(_FORMAT,),
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
        form = _form(request, _LIST_FORMAT)
        record = await self._record(request)
        known_as = path_value(request, TASK_ID)
        view = AttemptList.of(record, self._masking, user_agent=self._user_agent, known_as=known_as)
        return json_response(har.archive(view.attempts) if form == "har" else view)

    async def read(self, request: web.Request) -> web.Response:
        form = _form(request, _FORMAT)
        number = path_value(request, ATTEMPT_NUMBER)
        record = await self._record(request)
        detail = AttemptDetail.of_record(
            record,
            number,
            self._masking,
            user_agent=self._user_agent,
            known_as=path_value(request, TASK_ID),
        )
        if form == "curl":
            text = curl.command(detail, timeout=record.task.timeout)
            return raw_response(text.encode(), 200, "text/plain; charset=utf-8")
        return json_response(har.archive([detail]) if form == "har" else detail)

    async def _record(self, request: web.Request) -> Record:
        task_id = stored_id(request)
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        return record


def _form(request: web.Request, parameter: Parameter[str]) -> str:
    query = Query(request, (parameter,))
    form = query.get(parameter)
    query.refuse_if_wrong()
    return form
