"""The routes that declare queues: `PUT` and `DELETE /queues/{queue}`."""

from aiohttp import web

from taskrunner.api.http.parameters import QUEUE_NAME
from taskrunner.api.http.requests import path_value, prefix_of, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.fleet import DeclaredQueueView
from taskrunner.domain.errors import FieldError, QueueInvalid
from taskrunner.domain.queues.queue import check_new_queue
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.producer.queue_admin import QueueAdmin

_MAX_REQUEST_BYTES = 4096
_PUT = Operation(
    summary="Declare a queue, or change its weight.",
    answers={200: DeclaredQueueView, 201: DeclaredQueueView},
    takes={"application/json": QueueDraft},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
)
_DELETE = Operation(
    summary="Withdraw the declaration of a queue that has no tasks.",
    answers={204: None},
    problems=(404, 409, 503),
)


class QueueRoutes:
    """`FleetRoutes` shows the queues."""

    def __init__(self, queues: QueueAdmin, options: ApiSettings) -> None:
        self._queues = queues
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.put("/queues/{queue}", self.put, _PUT)
        routes.delete("/queues/{queue}", self.delete, _DELETE)

    async def put(self, request: web.Request) -> web.Response:
        """201 for a new queue, 200 for a changed one."""
        name = _new_name(request.match_info[QUEUE_NAME.name])
        raw = await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)
        queue, is_new = await self._queues.put(name, QueueDraft.from_json(raw))
        view = DeclaredQueueView.copy(queue)
        location = (("Location", f"{prefix_of(request)}/queues/{name}"),) if is_new else ()
        return json_response(view, status=201 if is_new else 200, headers=location)

    async def delete(self, request: web.Request) -> web.Response:
        await self._queues.delete(path_value(request, QUEUE_NAME))
        return empty_response()


def _new_name(text: str) -> str:
    """A PUT creates the queue, so a bad name is answered with the rule for names."""
    try:
        return check_new_queue(text)
    except ValueError as exc:
        raise QueueInvalid([FieldError(field="name", message=str(exc))]) from exc
