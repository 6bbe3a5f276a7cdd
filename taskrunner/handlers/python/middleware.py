"""Middleware: what runs before and after every attempt of a handler."""

from typing import Any

from taskrunner.handlers.python.task import Task


class Middleware:
    """Override one or both. They run where the handler runs: in its thread, or on the loop of an `async def`,
    where they must not block.
    """

    def before(self, task: Task[Any]) -> None:
        """What this raises has the effect as if the handler had raised it, and the handler is not run."""

    def after(self, task: Task[Any], result: object, error: BaseException | None) -> None:
        """`error` is what the handler raised; None if it returned `result`.

        What this raises is logged and changes nothing: the handler has done its work.
        """
