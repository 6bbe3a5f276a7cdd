"""Makes the Python handlers of one process."""

import signal

from taskrunner.domain.errors import HandlersInvalid
from taskrunner.handlers.base import Handler, HandlerFactory
from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.handler import PythonHandler
from taskrunner.handlers.python.modules import import_modules
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.handlers.python.runtime import PythonRuntime
from taskrunner.handlers.python.settings import PythonSettings


class PythonHandlerFactory(HandlerFactory):
    """Pickles as its settings alone. The modules of the user are imported by `start`."""

    _runtime: PythonRuntime  # from `start` on

    def __init__(self, settings: PythonSettings) -> None:
        self._settings = settings

    def __reduce__(self) -> tuple[type["PythonHandlerFactory"], tuple[PythonSettings]]:
        return PythonHandlerFactory, (self._settings,)

    def start(self) -> None:
        """Raises `HandlersInvalid`: the modules have changed since the consumer looked at them."""
        import_modules(self._settings.modules, self._settings.folder)
        if findings := findings_of(REGISTRY):
            raise HandlersInvalid.of(list(map(str, findings)))
        self._runtime = PythonRuntime(REGISTRY, max_result_bytes=self._settings.max_result_bytes)
        self._runtime.start()

    def make_handler(self) -> Handler:
        # Blocked since the start of the process, and a program that a handler starts would never see them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        return PythonHandler(self._runtime)

    def stop(self) -> None:
        self._runtime.close()
