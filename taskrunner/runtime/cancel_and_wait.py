"""The end of a task that something else must not outlive."""

import asyncio
from typing import Any

# Below Python 3.12 `asyncio.wait_for`, in drivers too, can swallow a cancellation that meets its inner
# future just done (cpython#86296): the task goes on as if nobody had asked.
_ASK_AGAIN = 0.5


async def end(*tasks: "asyncio.Future[Any]", ask_again: float = _ASK_AGAIN) -> None:
    """Cancel the tasks until each has ended. Their results and errors can still be read, but need not be."""
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=ask_again)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # marks it as seen, so that the loop does not complain of it
