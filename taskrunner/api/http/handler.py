"""The handler of a route, those that need no router, and the name of a request's route."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# By method and path, without placeholders and without a query. Servers know the request as a `BaseRequest`.
FixedRoutes = dict[tuple[str, str], Callable[[Any], Awaitable[web.StreamResponse]]]
# Method and pattern of the route that took a request.
ROUTE: web.RequestKey[tuple[str, str]] = web.RequestKey("route", tuple)
FIXED_ROUTES: web.AppKey[FixedRoutes] = web.AppKey("fixed_routes", dict)
