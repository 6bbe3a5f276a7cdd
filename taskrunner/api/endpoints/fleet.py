"""The routes for what runs: `GET /queues`, `/queues/{queue}`, `/workers`, `/stats/history`."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from taskrunner.api.http.parameters import QUEUE_NAME, RESOLUTION, SINCE
from taskrunner.api.http.query import Query
from taskrunner.api.http.requests import path_value
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.fleet import HistoryView, PointView, QueueList, QueueView, WorkerList, WorkerView
from taskrunner.domain.fleet.figures import KEPT, MINUTE, SECOND
from taskrunner.producer.fleet import Fleet

_QUEUES = Operation(
    summary="The queues: how full they are, and who serves them.", answers={200: QueueList}, problems=(503,)
)
_QUEUE = Operation(summary="One queue.", answers={200: QueueView}, problems=(404, 503))
_WORKERS = Operation(
    summary="The consumers, and what each runs now.", answers={200: WorkerList}, problems=(503,)
)
_HISTORY = Operation(
    summary="What happened in each second of ten minutes, or in each minute of a day.",
    answers={200: HistoryView},
    parameters=(RESOLUTION, SINCE),
    problems=(400, 503),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHistory:
    """Points of so many `seconds`, from `first` to `last`."""

    seconds: int
    first: int
    last: int


def read_history(query: Query) -> AskedHistory:
    """What `RESOLUTION` and `SINCE` ask for, by default all that is kept. Raises `RequestRefused`."""
    resolution, since = query.get(RESOLUTION), query.get(SINCE)
    query.refuse_if_wrong()
    seconds = SECOND if resolution == "1s" else MINUTE
    now = int(datetime.now(UTC).timestamp())
    first = now - KEPT[seconds] * seconds if since is None else int(since.timestamp())
    return AskedHistory(seconds=seconds, first=first, last=now)


class FleetRoutes:
    """What all tasks together are doing."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def add_to(self, routes: Routes) -> None:
        routes.get("/queues", self.queues, _QUEUES)
        routes.get("/queues/{queue}", self.queue, _QUEUE)
        routes.get("/workers", self.workers, _WORKERS)
        routes.get("/stats/history", self.history, _HISTORY)

    async def queues(self, _: web.Request) -> web.Response:
        now = datetime.now(UTC)
        return json_response(
            QueueList(queues=[QueueView.of(each, now) for each in await self._fleet.queues()])
        )

    async def queue(self, request: web.Request) -> web.Response:
        name, now = path_value(request, QUEUE_NAME), datetime.now(UTC)
        return json_response(QueueView.of(await self._fleet.queue(name), now))

    async def workers(self, _: web.Request) -> web.Response:
        return json_response(WorkerList(workers=list(map(WorkerView.of, await self._fleet.workers()))))

    async def history(self, request: web.Request) -> web.Response:
        asked = read_history(Query(request, _HISTORY.parameters))
        found = await self._fleet.history(seconds=asked.seconds, first=asked.first, last=asked.last)
        return json_response(HistoryView(resolution=asked.seconds, points=list(map(PointView.of, found))))
