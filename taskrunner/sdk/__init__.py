"""taskrunner's SDK: your own functions as tasks. `docs/python-handlers.md` shows how.

Importing it loads neither the server nor a driver.
"""

from taskrunner.handlers.python.definition import Handler
from taskrunner.handlers.python.dependency import Dependency
from taskrunner.handlers.python.endings import Cancel, Fail, Retry, Snooze
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.retry_policies import Constant, Exponential, Linear
from taskrunner.handlers.python.task import Task
from taskrunner.sdk.registration import dependency, handler, register, use

__all__ = [
    "Cancel",
    "Constant",
    "Dependency",
    "Exponential",
    "Fail",
    "Handler",
    "Linear",
    "Middleware",
    "Retry",
    "Snooze",
    "Task",
    "dependency",
    "handler",
    "register",
    "use",
]
