"""The Python handlers of a configuration: what its modules register, and who runs the tasks of a consumer."""

import os
from collections.abc import Sequence

from taskrunner.config import Config
from taskrunner.domain.codec import encode
from taskrunner.domain.data_schema import DataSchema
from taskrunner.domain.errors import HandlersInvalid
from taskrunner.handlers.base import HandlerFactory
from taskrunner.handlers.executor_handlers import ExecutorHandlerFactory
from taskrunner.handlers.http.handler_factory import HttpHandlerFactory
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.python.handler_factory import PythonHandlerFactory
from taskrunner.handlers.python.manifest import HandlerManifest, read_manifest
from taskrunner.handlers.python.settings import PythonSettings


def read_handlers(modules: Sequence[str], folder: str) -> Sequence[HandlerManifest]:
    """What the modules register, checked. Raises `HandlersInvalid`."""
    if not modules:
        return ()
    handlers = read_manifest(modules, folder).handlers
    findings = [
        f"{each.place}: handler {each.name!r}: schema: {why}"
        for each in handlers
        if each.schema is not None and (why := _unfit(encode(each.schema).decode())) is not None
    ]
    if findings:
        raise HandlersInvalid.of(findings)
    return handlers


class HandlerFactories:
    """Makes the handler factory of a consumer. Nothing of the user's is imported here.

    Without `Workers.handlers` that is the one for HTTP alone. Raises `HandlersInvalid`.
    """

    def __init__(self, config: Config) -> None:
        folder = os.getcwd()
        modules = config.workers.handlers
        self.handlers = read_handlers(modules, folder)
        self._settings = PythonSettings(
            modules=modules, folder=folder, max_result_bytes=config.fetch.store_body_bytes
        )

    @property
    def executors(self) -> frozenset[str]:
        """The names of those that have a handler."""
        return frozenset(each.name for each in self.handlers)

    def make(self, fetch: FetchSettings) -> HandlerFactory:
        http = HttpHandlerFactory(fetch)
        if not self.handlers:
            return http
        return ExecutorHandlerFactory(http, PythonHandlerFactory(self._settings))


def _unfit(schema: str) -> str | None:
    """Why the store would not take the schema."""
    try:
        DataSchema(schema)
    except ValueError as exc:
        return str(exc)
    return None
