"""Failures that nobody has to read, and that asyncio must not report as forgotten."""

import asyncio
import socket
from typing import Any


def read_failure(future: "asyncio.Future[Any]") -> None:
    """A callback for work that others share: whoever waited for it may have given up."""
    if not future.cancelled():
        future.exception()


def report_unless_given_up(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An exception handler of a loop.

    uvloop leaves the look-up of a name behind when a connection attempt is cancelled, and its failure is
    then in a future that nobody can reach: https://github.com/MagicStack/uvloop/issues/437. Whoever dialled
    has reported the name, or no longer wants it.
    """
    future, exc = context.get("future"), context.get("exception")
    if isinstance(exc, socket.gaierror) and future is not None and not isinstance(future, asyncio.Task):
        return
    loop.default_exception_handler(context)
