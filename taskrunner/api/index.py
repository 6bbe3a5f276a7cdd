"""The index: `GET /` tells what there is to ask for, and shows a browser the page."""

from aiohttp import web

from taskrunner.api import service_schemas
from taskrunner.api.operations import Operation
from taskrunner.api.page import Page, wants_page
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Routes
from taskrunner.version import __version__


class IndexRoutes:
    """Lists the endpoints of an application, in the order in which they were added.

    `page` is for applications that have all the routes that it asks.
    """

    def __init__(self, routes: Routes, page: Page | None = None) -> None:
        self._routes = routes
        self._page = page

    def add_to(self, routes: Routes) -> None:
        routes.get(
            "/",
            self.index,
            Operation(summary="What there is to ask for.", answers={200: service_schemas.Index}),
        )

    async def index(self, request: web.Request) -> web.Response:
        if self._page is not None and wants_page(request.headers.get("Accept", "")):
            return self._page.response()
        return json_response(
            {
                "name": "taskrunner",
                "version": __version__,
                "endpoints": self._routes.endpoints,
                "prefix": "/api/v1 may stand before each of them",
            }
        )
