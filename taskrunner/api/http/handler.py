"""The handler of a route, and those that need no router."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# By method and path, without placeholders and without a query. Servers know the request as a `BaseRequest`.
FixedRoutes = dict[tuple[str, str], Callable[[Any], Awaitable[web.StreamResponse]]]
FIXED_ROUTES: web.AppKey[FixedRoutes] = web.AppKey("fixed_routes", dict)
