"""The index: `GET /` tells what there is to ask for."""

from aiohttp import web

from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.version import __version__


class IndexRoutes:
    """Lists the endpoints of an application, in the order in which they were added."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def add_to(self, routes: Routes) -> None:
        routes.get("/", self.index)

    async def index(self, _: web.Request) -> web.Response:
        return json_response(
            {
                "name": "taskrunner",
                "version": __version__,
                "endpoints": list(self._routes.endpoints),
                "prefix": "/api/v1 may stand before each of them",
            }
        )
