"""The routes for sessions of the console: make one from an API key, list them, end one."""

from aiohttp import web

from taskrunner.api.auth.access import caller_of, session_of
from taskrunner.api.auth.audited import change_of
from taskrunner.api.auth.login_limit import LoginLimit
from taskrunner.api.auth.session_cookie import cookie_header
from taskrunner.api.http.client_address import address_of
from taskrunner.api.http.parameters import SESSION
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.requests import path_value, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.session import SessionList, SessionView
from taskrunner.domain.clock import Clock
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.keys.api_key_draft import Login
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.sessions import Sessions
from taskrunner.stores.base import KnownSession

_MAX_REQUEST_BYTES = 4096
# In the path, for the session that the request came with.
_CURRENT = "current"
_CREATE = Operation(
    summary="Sign in to the console with an API key: the answer sets a cookie.",
    answers={201: SessionView},
    takes={"application/json": Login},
    problems=(400, 401, 408, 413, 415, 422, 429, 503),
)
_LIST = Operation(
    summary="The sessions of this API key; of all keys for the scope admin.",
    answers={200: SessionList},
    problems=(503,),
)
_END = Operation(
    summary="End a session by its id, or `current`: the one of this request.",
    answers={204: None},
    problems=(404, 503),
)


class SessionRoutes:
    """`POST /sessions`, `GET /sessions` and `DELETE /sessions/{session}`."""

    def __init__(self, sessions: Sessions, keys: KeyWatch, clock: Clock, options: ApiSettings) -> None:
        self._sessions = sessions
        self._keys = keys
        self._limit = LoginLimit(clock)
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.post("/sessions", self.create, _CREATE)
        routes.get("/sessions", self.list, _LIST)
        routes.delete("/sessions/{session}", self.end, _END)

    async def create(self, request: web.Request) -> web.Response:
        change, address = change_of(request), address_of(request)
        # Anybody may ask: without a session, nothing has changed.
        change.add(0)
        self._limit.check(address)
        timeout = self._options.request_timeout
        login = Login.from_json(await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=timeout))
        key = await self._keys.find(login.key)
        if key is None:
            self._limit.note_failure(address)
            raise refuse(401, "key_unknown", "this API key is unknown, expired or revoked")
        session, secret = await self._sessions.create(
            key, login.key, origin=address, agent=request.headers.get("User-Agent")
        )
        change.target = f"{key.name} {session.id}"
        change.add(1)
        view = SessionView.of(KnownSession(session=session, last_used_at=None), current=True)
        return json_response(view, status=201, headers=(cookie_header(request, secret),))

    async def list(self, request: web.Request) -> web.Response:
        current = session_of(request)
        known = await self._sessions.list(_visible(request))
        views = [
            SessionView.of(each, current=current is not None and each.session.id == current.id)
            for each in known
        ]
        return json_response(SessionList(sessions=views))

    async def end(self, request: web.Request) -> web.Response:
        wanted, current = path_value(request, SESSION), session_of(request)
        if wanted == _CURRENT and current is not None:
            wanted = current.id
        change_of(request).target = wanted
        await self._sessions.end(wanted, _visible(request))
        response = empty_response()
        if current is not None and wanted == current.id:
            name, value = cookie_header(request, None)
            response.headers[name] = value
        return response


def _visible(request: web.Request) -> str | None:
    """Whose sessions the caller sees: None for all."""
    key = caller_of(request).key
    return None if key is None or key.allows(Scope.ADMIN) else key.name
