"""Auditing of the API: what is recorded of a request that changes something.

Every route is audited, unless it only reads or submits: tasks name the key that made them. The action follows
from the route: `POST /tasks/{id}/cancel` is `tasks.cancel`, `DELETE /hosts/{pattern}/limit` is
`hosts.limit.delete`.
"""

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.http.client_address import address_of
from taskrunner.api.http.handler import Handler
from taskrunner.api.http.request_ids import request_id_of
from taskrunner.domain.keys.audit import Actor, AuditSource, conditions_target, ids_target
from taskrunner.producer.audit_trail import AuditTrail, Change

_CHANGE = web.RequestKey("change", Change)
# Tasks name the key that made them, and attempts their worker.
UNAUDITED = frozenset(
    {
        *(("POST", "/tasks"), ("POST", "/tasks/batch"), ("POST", "/schedules/{name}/run")),
        *(("POST", "/executors/{executor}/lease"), ("POST", "/tasks/{id}/heartbeat")),
    }
)
_VERBS = {"PUT": "set", "PATCH": "change", "DELETE": "delete"}
# The parts of a path that differ for a caller with a namespace.
_STORED = frozenset({"id", "name", "webhook"})


def change_of(request: web.Request) -> Change:
    """Where the handler says how many it changed, and what, if the path does not say it."""
    return request[_CHANGE]


def is_audited(method: str, path: str) -> bool:
    return method != "GET" and (method, path) not in UNAUDITED


def action_of(method: str, path: str) -> str:
    """The name of what a route does. A POST to a list creates a member of it."""
    verb = "create" if method == "POST" and ("GET", path) in ROUTES else _VERBS.get(method)
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    return ".".join([*words, *([verb] if verb else [])])


def audited(handler: Handler, action: str, trail: AuditTrail) -> Handler:
    """`handler`, with an entry in the audit for each request that it does not refuse."""

    async def answer(request: web.Request) -> web.StreamResponse:
        async with trail.recording(actor_of(request), action, _target(request)) as change:
            request[_CHANGE] = change
            return await handler(request)

    return answer


def actor_of(request: web.Request) -> Actor:
    """Who makes this request, and from where."""
    return Actor(
        source=AuditSource.API,
        key=caller_of(request).name,
        origin=address_of(request),
        request_id=request_id_of(request),
    )


def _target(request: web.Request) -> str:
    if request.match_info:
        caller = caller_of(request)
        return ids_target(
            caller.stored(part) if name in _STORED else part for name, part in request.match_info.items()
        )
    return conditions_target(request.query.items())
