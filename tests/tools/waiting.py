"""Waiting for what another thread, process or server does some time, in all tests.

Law: a test waits for an event, never for a time. `PATIENCE` only keeps a test from hanging: it is no promise
of the product, and ten times what anything takes on an idle machine, because programs beside the tests make
the machine three to five times slower. pytest's own timeout is longer still, so that a wait that fails can
say what it waited for.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Found = TypeVar("Found")

PATIENCE = 120.0
_INTERVAL = 0.02


def wait_for(
    look: Callable[[], Found], what: str, *, within: float = PATIENCE, interval: float = _INTERVAL
) -> Found:
    """Poll until `look` answers something true, and answer that; fails after `within` seconds."""
    found = last_look(look, within=within, interval=interval)
    if not found:
        raise AssertionError(f"not within {within:g} s: {what}; last seen: {found!r}")
    return found


def last_look(look: Callable[[], Found], *, within: float, interval: float = _INTERVAL) -> Found:
    """Poll until `look` answers something true, or for `within` seconds; answers what it did at last."""
    deadline = time.monotonic() + within
    while not (found := look()) and time.monotonic() <= deadline:
        time.sleep(interval)
    return found


def in_more_time(
    attempt: Callable[[float], Found], is_meant: Callable[[Found], bool], *, first: float
) -> Found:
    """What `attempt` answers with a time limit of `first` seconds, or of twice as many, until `is_meant`.

    For limits that a test wants to run out: on a busy machine, a short one runs out before the case begins.
    """
    limit = first
    while not is_meant(found := attempt(limit)) and limit < PATIENCE:
        limit *= 2
    return found


async def eventually(look: Callable[[], Any], *, within: float = PATIENCE) -> None:
    """Poll until `look`, a function or coroutine function, answers something true."""
    deadline = time.monotonic() + within
    while not (found := await _answer(look)):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {_source(look)}; last seen: {found!r}")
        await asyncio.sleep(_INTERVAL)


@asynccontextmanager
async def in_time(what: str, within: float = PATIENCE) -> AsyncIterator[None]:
    """Fail when the body takes longer than `within` seconds, naming `what` it waited for."""
    try:
        async with asyncio.timeout(within) as bound:
            yield
    except TimeoutError:
        if not bound.expired():
            raise
        raise AssertionError(f"not within {within:g} s: {what}") from None


async def _answer(look: Callable[[], Any]) -> Any:
    """Bounded as well: a call of the product may hang."""
    answer = look()
    if not isinstance(answer, Awaitable):
        return answer
    async with in_time(_source(look)):
        return await answer


def _source(look: Callable[[], Any]) -> str:
    try:
        return " ".join(inspect.getsource(look).split())
    except OSError:
        return repr(look)
