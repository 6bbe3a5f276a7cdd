"""`GET /settings`: the configuration in force in this process, with the source of each value."""

from collections.abc import Callable, Sequence

from aiohttp import web

from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.settings import SettingsView
from taskrunner.domain.setting import SettingInForce

_SETTINGS = Operation(
    summary="The configuration in force in the process that answers, and where each value comes from.",
    answers={200: SettingsView},
)
ReadSettings = Callable[[], Sequence[SettingInForce]]


class SettingRoutes:
    """`GET /settings`. The configuration can change while we run, so it is read for each answer."""

    def __init__(self, process_name: str, settings: ReadSettings) -> None:
        self._process_name = process_name
        self._settings = settings

    def add_to(self, routes: Routes) -> None:
        routes.get("/settings", self.settings, _SETTINGS)

    async def settings(self, _: web.Request) -> web.Response:
        return json_response(SettingsView(process=self._process_name, settings=self._settings()))
