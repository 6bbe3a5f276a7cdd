"""Tasks are ended even where a library swallows a cancellation."""

import asyncio

from taskrunner.runtime.cancel_and_wait import cancel_and_wait


async def test_a_swallowed_cancellation_is_asked_for_again() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await cancel_and_wait(task, cancel_again=0.001)
    assert task.cancelled()
    assert swallowed == 2


async def test_what_has_ended_keeps_its_result() -> None:
    async def answer() -> int:
        return 7

    task = asyncio.create_task(answer())
    await task
    await cancel_and_wait(task)
    assert task.result() == 7


async def test_a_failure_on_the_way_out_is_left_to_the_owner() -> None:
    async def clumsy() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise ValueError("clumsy") from None

    task = asyncio.create_task(clumsy())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert str(task.exception()) == "clumsy"
