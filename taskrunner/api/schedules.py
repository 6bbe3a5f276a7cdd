"""The routes for schedules: create, read, list, change, delete, pause, resume, run now."""

from aiohttp import web

from taskrunner.api import schemas
from taskrunner.api.operations import Operation
from taskrunner.api.requests import CURSOR, LIMIT, Query, prefix_of, read_json_body
from taskrunner.api.resources import accepted_resource, page_resource, schedule_resource
from taskrunner.api.responses import empty_response, json_response
from taskrunner.api.routes import Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.domain.errors import FieldError, ScheduleInvalid, ScheduleUnknown
from taskrunner.domain.messages import shown
from taskrunner.domain.schedule import Schedule
from taskrunner.domain.schedule_draft import NAME_PATTERN, ScheduleDraft
from taskrunner.domain.task_limits import TaskLimits
from taskrunner.producer.schedule_admin import ScheduleAdmin

_JSON = "application/json"
_CREATE = Operation(
    summary="Make a cron schedule.",
    answers={201: schemas.Schedule},
    takes={_JSON: ScheduleDraft},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_LIST = Operation(
    summary="Schedules by name.",
    answers={200: schemas.SchedulePage},
    parameters=(LIMIT, CURSOR),
    problems=(400, 503),
)
_READ = Operation(summary="A schedule.", answers={200: schemas.Schedule}, problems=(404, 503))
_PUT = Operation(
    summary="Make a schedule of this name, or change it.",
    answers={200: schemas.Schedule, 201: schemas.Schedule},
    takes={_JSON: ScheduleDraft},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_DELETE = Operation(summary="Remove a schedule; its tasks go on.", answers={204: None}, problems=(404, 503))
_PAUSE = Operation(
    summary="Let no slot run until it is resumed.",
    answers={200: schemas.Schedule},
    problems=(404, 409, 503),
)
_RESUME = Operation(
    summary="Go on with the next slot.", answers={200: schemas.Schedule}, problems=(404, 409, 503)
)
_RUN = Operation(
    summary="Submit its task now, beside the slots.",
    answers={202: schemas.Task},
    problems=(404, 422, 503),
)


class ScheduleRoutes:
    """`POST /schedules`, `GET /schedules`, `GET`, `PUT`, `DELETE /schedules/{name}`, and its verbs."""

    def __init__(
        self, schedules: ScheduleAdmin, limits: TaskLimits, options: ApiSettings, *, max_request_bytes: int
    ) -> None:
        self._schedules = schedules
        self._limits = limits
        self._options = options
        self._max_request_bytes = max_request_bytes

    def add_to(self, routes: Routes) -> None:
        routes.post("/schedules", self.create, _CREATE)
        routes.get("/schedules", self.list, _LIST)
        routes.get("/schedules/{name}", self.read, _READ)
        routes.put("/schedules/{name}", self.put, _PUT)
        routes.delete("/schedules/{name}", self.delete, _DELETE)
        routes.post("/schedules/{name}/pause", self.pause, _PAUSE)
        routes.post("/schedules/{name}/resume", self.resume, _RESUME)
        routes.post("/schedules/{name}/run", self.run, _RUN)

    async def create(self, request: web.Request) -> web.Response:
        draft = await self._draft(request)
        if draft.name is None:
            raise ScheduleInvalid([FieldError(field="name", message="is required")])
        schedule = await self._schedules.create(draft.name, draft)
        return self._response(request, schedule, status=201)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, ("limit", "cursor"))
        cursor = query.cursor()
        limit = query.limit(self._options.default_page, self._options.max_page)
        query.refuse_if_wrong()
        page = await self._schedules.list(limit=limit, cursor=cursor)
        schedules = [
            schedule_resource(each, self._options.masking, prefix=prefix_of(request)) for each in page.items
        ]
        return json_response(page_resource("schedules", schedules, page.cursor))

    async def read(self, request: web.Request) -> web.Response:
        return self._response(request, await self._schedules.get(_name_of(request)))

    async def put(self, request: web.Request) -> web.Response:
        """201 for a new one, 200 for a changed one."""
        given = request.match_info["name"]
        if not NAME_PATTERN.fullmatch(given):
            message = f"must be 1 to 64 letters, digits or ._-, got {shown(given)}"
            raise ScheduleInvalid([FieldError(field="name", message=message)])
        draft = await self._draft(request)
        if draft.name not in {None, given}:
            message = f"is {shown(draft.name)}, but the path says {shown(given)}"
            raise ScheduleInvalid([FieldError(field="name", message=message)])
        schedule, is_new = await self._schedules.put(given, draft)
        return self._response(request, schedule, status=201 if is_new else 200)

    async def delete(self, request: web.Request) -> web.Response:
        await self._schedules.delete(_name_of(request))
        return empty_response()

    async def pause(self, request: web.Request) -> web.Response:
        return self._response(request, await self._schedules.pause(_name_of(request)))

    async def resume(self, request: web.Request) -> web.Response:
        return self._response(request, await self._schedules.resume(_name_of(request)))

    async def run(self, request: web.Request) -> web.Response:
        """202 with the task, as by `POST /tasks`."""
        submitted = await self._schedules.run(_name_of(request))
        resource = accepted_resource(submitted.task, self._options.masking, published=submitted.published)
        location = ("Location", f"{prefix_of(request)}/tasks/{submitted.id}")
        return json_response(resource, status=202, headers=(location,))

    async def _draft(self, request: web.Request) -> ScheduleDraft:
        raw = await read_json_body(
            request, limit=self._max_request_bytes, timeout=self._options.request_timeout
        )
        return ScheduleDraft.from_json(raw, self._limits)

    def _response(self, request: web.Request, schedule: Schedule, *, status: int = 200) -> web.Response:
        prefix = prefix_of(request)
        headers = (("Location", f"{prefix}/schedules/{schedule.name}"),) if status == 201 else ()
        resource = schedule_resource(schedule, self._options.masking, prefix=prefix)
        return json_response(resource, status=status, headers=headers)


def _name_of(request: web.Request) -> str:
    """The name in the path. One that no schedule can have raises `ScheduleUnknown` at once."""
    given = request.match_info["name"]
    if not NAME_PATTERN.fullmatch(given):
        raise ScheduleUnknown(f"no schedule can have the name {shown(given)}")
    return given
