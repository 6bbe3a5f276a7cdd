"""taskrunner's SDK: your own functions as tasks. `docs/python-handlers.md` shows how.

Importing it loads neither the server nor a driver.
"""

from typing import TYPE_CHECKING, Any

from taskrunner.handlers.python.definition import Handler
from taskrunner.handlers.python.dependency import Dependency
from taskrunner.handlers.python.endings import Cancel, Fail, Retry, Snooze
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.retry_policies import Constant, Exponential, Linear
from taskrunner.handlers.python.task import Task
from taskrunner.sdk.registration import dependency, handler, register, use

if TYPE_CHECKING:
    from taskrunner.sdk.remote import RemoteWorker

__all__ = [
    "Cancel",
    "Constant",
    "Dependency",
    "Exponential",
    "Fail",
    "Handler",
    "Linear",
    "Middleware",
    "RemoteWorker",
    "Retry",
    "Snooze",
    "Task",
    "dependency",
    "handler",
    "register",
    "use",
]

if not TYPE_CHECKING:  # where any name would be taken as one of ours

    def __getattr__(name: str) -> Any:
        """`RemoteWorker` on first use: grpc, which only that class needs, doubles the time of the import."""
        if name == "RemoteWorker":
            from taskrunner.sdk.remote import RemoteWorker

            return RemoteWorker
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
