"""`GET /access`: who asks, and what the key allows."""

from aiohttp import web

from taskrunner.api.auth.access import caller_of, session_of
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.session import AccessView
from taskrunner.domain.keys.api_key import Scope

_ACCESS = Operation(summary="The key of this request, and its scopes.", answers={200: AccessView})


class AccessRoutes:
    """`GET /access`."""

    def add_to(self, routes: Routes) -> None:
        routes.get("/access", self.access, _ACCESS)

    async def access(self, request: web.Request) -> web.Response:
        key, session = caller_of(request).key, session_of(request)
        scopes = [scope for scope in Scope if key is None or key.allows(scope)]
        return json_response(
            AccessView(
                key=None if key is None else key.name,
                scopes=scopes,
                session=None if session is None else session.id,
            )
        )
