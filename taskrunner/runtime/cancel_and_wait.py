"""Cancels tasks that must not outlive their owner."""

import asyncio
from typing import Any

# Before Python 3.12, `asyncio.wait_for`, in drivers too, can swallow a cancellation that arrives just as its
# inner future is done (cpython#86296). The task then goes on as if it had not been cancelled.
_CANCEL_AGAIN = 0.5


async def cancel_and_wait(*tasks: "asyncio.Future[Any]", cancel_again: float = _CANCEL_AGAIN) -> None:
    """Cancel the tasks until each has ended. Their results and errors can still be read, but need not be."""
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=cancel_again)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # otherwise the loop logs the exception as never retrieved
