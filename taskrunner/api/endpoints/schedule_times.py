"""The routes for the slots of schedules: what the last ones came to, and when the next ones are."""

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import CURSOR, LIMIT, Parameter, whole_number
from taskrunner.api.http.query import Query
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.schedule import (
    ScheduleRunsPage,
    ScheduleRunsView,
    ScheduleRunView,
    TimetableView,
)
from taskrunner.domain.clock import Clock
from taskrunner.domain.schedules.timetable import Timetable, check_cron, check_time_zone, cron_pattern
from taskrunner.producer.schedule_admin import ScheduleAdmin
from taskrunner.producer.schedule_runs import schedule_runs
from taskrunner.stores.operator_store import OperatorStore

_COUNT = whole_number("count", "How many slots to answer.", least=1, most=20, default=10)
_CRON = Parameter(
    name="cron",
    description="Five fields, or a name such as @daily.",
    schema={"type": "string", "pattern": cron_pattern(), "default": "@hourly"},
    read=check_cron,
    default="@hourly",
)
_TIME_ZONE = Parameter(
    name="time_zone",
    description="A name of the IANA time zone database.",
    schema={"type": "string", "default": "UTC"},
    read=check_time_zone,
    default="UTC",
)
_RUNS = Operation(
    summary="The last slots of the schedules, by name, and what their tasks came to.",
    answers={200: ScheduleRunsPage},
    parameters=(_COUNT, LIMIT, CURSOR),
    problems=(400, 503),
)
_TIMETABLE = Operation(
    summary="The next slots of a cron expression; no schedule is made.",
    answers={200: TimetableView},
    parameters=(_CRON, _TIME_ZONE, _COUNT),
    problems=(400,),
)


class ScheduleTimeRoutes:
    """`GET /schedule-runs` and `GET /timetable`."""

    def __init__(self, schedules: ScheduleAdmin, store: OperatorStore, clock: Clock) -> None:
        self._schedules = schedules
        self._store = store
        self._clock = clock

    def add_to(self, routes: Routes) -> None:
        routes.get("/schedule-runs", self.runs, _RUNS)
        routes.get("/timetable", self.timetable, _TIMETABLE)

    async def runs(self, request: web.Request) -> web.Response:
        query = Query(request, _RUNS.parameters)
        count, cursor, limit = query.get(_COUNT), query.get(CURSOR), query.get(LIMIT)
        query.refuse_if_wrong()
        caller = caller_of(request)
        page = await self._schedules.list(limit=limit, cursor=cursor, namespace=caller.namespace)
        found = await schedule_runs(self._store, page.items, count=count, now=self._clock.now())
        schedules = [
            ScheduleRunsView(
                name=caller.shown(each.name),
                runs=[ScheduleRunView.copy(run, task_id=caller.shown(run.task_id)) for run in each.runs],
            )
            for each in found
        ]
        view = ScheduleRunsPage(schedules=schedules, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))

    async def timetable(self, request: web.Request) -> web.Response:
        query = Query(request, _TIMETABLE.parameters)
        cron, time_zone, count = query.get(_CRON), query.get(_TIME_ZONE), query.get(_COUNT)
        query.refuse_if_wrong()
        slots = Timetable(cron, time_zone).first(count, since=self._clock.now())
        return json_response(TimetableView(cron=cron, time_zone=time_zone, slots=slots))
