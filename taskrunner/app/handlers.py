"""The Python handlers of a configuration: what its modules register, and who runs the tasks of a consumer."""

import os
from collections.abc import Sequence

from taskrunner.config import Config
from taskrunner.consumer.handler_declaration import check_declaration
from taskrunner.domain.errors import ExecutorInvalid, FieldError, HandlersInvalid
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from taskrunner.handlers.base import HandlerFactory
from taskrunner.handlers.executor_handlers import ExecutorHandlerFactory
from taskrunner.handlers.http.handler_factory import HttpHandlerFactory
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.python.handler_factory import PythonHandlerFactory
from taskrunner.handlers.python.manifest import HandlerManifest, read_manifest
from taskrunner.handlers.python.settings import PythonSettings


def read_handlers(modules: Sequence[str], folder: str, limits: TaskLimits) -> Sequence[HandlerManifest]:
    """What the modules register, checked. Raises `HandlersInvalid`.

    Whether its queue is declared is seen when an executor is registered: that is said in the store.
    """
    if not modules:
        return ()
    handlers = read_manifest(modules, folder).handlers
    findings = [
        f"{each.place}: handler {each.name!r}: {why}" for each in handlers for why in _findings(each, limits)
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
        self.handlers = read_handlers(modules, folder, config.task_limits())
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


def _findings(handler: HandlerManifest, limits: TaskLimits) -> Sequence[FieldError]:
    try:
        check_declaration(replace(handler, queue=None), limits)
    except ExecutorInvalid as exc:
        return exc.errors
    return ()
