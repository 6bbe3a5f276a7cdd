"""Threads of the remote worker: used again, and never fewer than the attempts that run."""

import asyncio
import threading

from taskrunner.sdk.remote.threads import Threads
from tests.tools.waiting import PATIENCE, in_time


async def test_a_free_thread_is_used_again() -> None:
    """To start one costs more than a short attempt."""
    threads: Threads[int] = Threads()
    idents = {await threads.run(threading.get_ident) for _ in range(5)}
    threads.close()
    assert len(idents) == 1


async def test_a_stuck_thread_holds_nobody_up() -> None:
    """Another takes its place; once it is free after all, it is used again and may end."""
    threads: Threads[int] = Threads()
    stuck, go_on = threading.Event(), threading.Event()

    def wait() -> int:
        stuck.set()
        assert go_on.wait(PATIENCE)
        return threading.get_ident()

    first = threads.run(wait)
    assert stuck.wait(PATIENCE)
    async with in_time("another thread"):
        second = await threads.run(threading.get_ident)
    go_on.set()
    async with in_time("the thread that was stuck"):
        seen = {second, await first}
    together = threading.Barrier(2)

    def meet() -> int:
        together.wait(PATIENCE)
        return threading.get_ident()

    assert {*await asyncio.gather(threads.run(meet), threads.run(meet))} == seen
    threads.close()
    for each in threading.enumerate():
        if each.ident in seen:
            each.join(PATIENCE)
            assert not each.is_alive()
