"""The routes for schedules: create, read, list, change, delete, pause, resume, run now."""

from functools import partial

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.auth.audited import change_of
from taskrunner.api.description.draft_schemas import merge_patch
from taskrunner.api.http.entity_tags import check_of
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import CURSOR, LIMIT, SCHEDULE_NAME
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value, prefix_of, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.named_resource import NamedResource
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.schedule import SchedulePage, ScheduleView
from taskrunner.api.views.task import TaskView
from taskrunner.domain.errors import ScheduleInvalid
from taskrunner.domain.resource_name import check_resource_name
from taskrunner.domain.schedules.schedule import Schedule
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.producer.change_check import Check
from taskrunner.producer.schedule_admin import ScheduleAdmin

_JSON = "application/json"
_RESOURCE = NamedResource(
    path="/schedules",
    described="A cron schedule",
    draft=ScheduleDraft,
    invalid=ScheduleInvalid,
    check_name=check_resource_name,
)
_CREATE = Operation(
    summary="Create a cron schedule.",
    answers={201: ScheduleView},
    takes={_JSON: _RESOURCE.new},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_LIST = Operation(
    summary="Schedules by name.",
    answers={200: SchedulePage},
    parameters=(LIMIT, CURSOR),
    problems=(400, 503),
)
_READ = Operation(
    summary="A schedule.",
    answers={200: ScheduleView},
    problems=(400, 404, 503),
)
_PUT = Operation(
    summary="Create a schedule of this name, or change it.",
    answers={200: ScheduleView, 201: ScheduleView},
    takes={_JSON: _RESOURCE.fields},
    problems=(400, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_PATCH = Operation(
    summary="Change what a JSON merge patch (RFC 7396) names, and keep the rest; null removes a field.",
    answers={200: ScheduleView},
    takes=merge_patch(_RESOURCE.patch),
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_DELETE = Operation(
    summary="Remove a schedule; its tasks go on.",
    answers={204: None},
    problems=(404, 409, 503),
    tagged=True,
)
_PAUSE = Operation(
    summary="Run no slot until the schedule is resumed.",
    answers={200: ScheduleView},
    problems=(404, 409, 503),
    tagged=True,
)
_RESUME = Operation(
    summary="Continue with the next slot.",
    answers={200: ScheduleView},
    problems=(404, 409, 503),
    tagged=True,
)
_RUN = Operation(
    summary="Submit its task now, in addition to the slots.",
    answers={202: TaskView},
    problems=(404, 409, 422, 503),
)


class ScheduleRoutes:
    """`POST /schedules`, `GET /schedules`, the methods of `/schedules/{name}`, and its verbs."""

    def __init__(self, schedules: ScheduleAdmin, options: ApiSettings, *, max_request_bytes: int) -> None:
        self._schedules = schedules
        self._options = options
        self._max_request_bytes = max_request_bytes

    def add_to(self, routes: Routes) -> None:
        routes.post("/schedules", self.create, _CREATE)
        routes.get("/schedules", self.list, _LIST)
        routes.get("/schedules/{name}", self.read, _READ)
        routes.put("/schedules/{name}", self.put, _PUT)
        routes.patch("/schedules/{name}", self.patch, _PATCH)
        routes.delete("/schedules/{name}", self.delete, _DELETE)
        routes.post("/schedules/{name}/pause", self.pause, _PAUSE)
        routes.post("/schedules/{name}/resume", self.resume, _RESUME)
        routes.post("/schedules/{name}/run", self.run, _RUN)

    async def create(self, request: web.Request) -> web.Response:
        draft, caller = await self._draft(request), caller_of(request)
        name = change_of(request).target = caller.stored(_RESOURCE.name_in_body(draft))
        schedule = await self._schedules.create(name, draft, created_by=caller.name)
        return self._answer(request, schedule, status=201)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, _LIST.parameters)
        cursor, limit = query.get(CURSOR), query.get(LIMIT)
        query.refuse_if_wrong()
        caller, prefix = caller_of(request), prefix_of(request)
        page = await self._schedules.list(limit=limit, cursor=cursor, namespace=caller.namespace)
        schedules = [
            ScheduleView.of(caller.shown_schedule(each), self._options.masking, prefix=prefix)
            for each in page.items
        ]
        view = SchedulePage(schedules=schedules, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

    async def read(self, request: web.Request) -> web.Response:
        return self._answer(request, await self._schedules.get(_stored_name(request)))

    async def put(self, request: web.Request) -> web.Response:
        """201 for a new schedule, 200 for a changed one."""
        given = _RESOURCE.new_name(request.match_info[SCHEDULE_NAME.name])
        draft = await self._draft(request)
        _RESOURCE.refuse_other_name(draft, given)
        caller = caller_of(request)
        schedule, is_new = await self._schedules.put(
            caller.stored(given), draft, created_by=caller.name, check=self._check(request)
        )
        return self._answer(request, schedule, status=201 if is_new else 200)

    async def patch(self, request: web.Request) -> web.Response:
        name = _stored_name(request)
        raw = await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )
        return self._answer(request, await self._schedules.patch(name, raw, check=self._check(request)))

    async def delete(self, request: web.Request) -> web.Response:
        await self._schedules.delete(_stored_name(request), check=self._check(request))
        return empty_response()

    async def pause(self, request: web.Request) -> web.Response:
        return self._answer(
            request, await self._schedules.pause(_stored_name(request), check=self._check(request))
        )

    async def resume(self, request: web.Request) -> web.Response:
        return self._answer(
            request, await self._schedules.resume(_stored_name(request), check=self._check(request))
        )

    async def run(self, request: web.Request) -> web.Response:
        """202 with the task, as by `POST /tasks`."""
        # The task is as large as the schedule, which is small beside what it may fetch.
        async with caller_of(request).room_for(1, 0) as room:
            submitted = await self._schedules.run(_stored_name(request))
            room.created = 1
        task = caller_of(request).shown_task(submitted.task)
        view = TaskView.of_accepted(task, self._options.masking, published=submitted.published)
        location = ("Location", f"{prefix_of(request)}/tasks/{task.id}")
        return json_response(view, status=202, headers=(location,))

    async def _draft(self, request: web.Request) -> ScheduleDraft:
        raw = await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )
        return ScheduleDraft.from_json(raw, self._schedules.limits)

    def _answer(self, request: web.Request, schedule: Schedule, *, status: int = 200) -> web.Response:
        return _RESOURCE.answer(request, self._view(request, schedule), status=status)

    def _view(self, request: web.Request, schedule: Schedule) -> ScheduleView:
        shown = caller_of(request).shown_schedule(schedule)
        return ScheduleView.of(shown, self._options.masking, prefix=prefix_of(request))

    def _check(self, request: web.Request) -> Check[Schedule]:
        return check_of(request, partial(self._view, request))


def _stored_name(request: web.Request) -> str:
    """The name in the path, as the store has it."""
    return caller_of(request).stored(path_value(request, SCHEDULE_NAME))
