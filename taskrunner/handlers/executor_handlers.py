"""One handler for tasks of all executors: it passes each attempt to the handler of its kind.

A task with a URL is fetched, whatever its executor is called: that of an HTTP executor was filled in when the
task was submitted. A task without one is for a Python handler.
"""

from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.handlers.base import AttemptContext, Handler, HandlerFactory


class ExecutorHandler(Handler):
    """The handlers of one worker."""

    def __init__(self, http: Handler, python: Handler) -> None:
        self._http = http
        self._python = python

    def run(self, context: AttemptContext) -> Outcome:
        return (self._python if context.task.url is None else self._http).run(context)

    def close(self) -> None:
        self._http.close()
        self._python.close()


class ExecutorHandlerFactory(HandlerFactory):
    """Holds the factory of each kind."""

    def __init__(self, http: HandlerFactory, python: HandlerFactory) -> None:
        self._http = http
        self._python = python

    def start(self) -> None:
        self._http.start()
        self._python.start()

    def make_handler(self) -> Handler:
        return ExecutorHandler(self._http.make_handler(), self._python.make_handler())

    def adopt(self, other: "ExecutorHandlerFactory") -> None:
        self._http.adopt(other._http)
        self._python.adopt(other._python)

    def stop(self) -> None:
        self._python.stop()
        self._http.stop()
