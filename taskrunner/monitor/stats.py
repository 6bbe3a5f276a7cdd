"""Stats: what `/stats` shows, put together from providers that each know one part."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TaskrunnerError
from taskrunner.version import __version__

# Anything that `/stats` can show as JSON.
Value = Any
Provider = Callable[[], Value | Awaitable[Value]]

# A provider that is slower than this is a dependency in trouble, which is what the answer then says.
PROVIDER_TIMEOUT = 2.0


class Stats:
    """Asks every provider at once; one that fails or hangs gives null, and its error by name."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._providers = dict(providers)
        self._clock = clock
        self._started = clock.monotonic()

    async def collect(self) -> dict[str, Value]:
        """All parts by name, with `uptime` (seconds), `version` and `errors`. Never raises."""
        names = list(self._providers)
        answers = await asyncio.gather(*(_ask(self._providers[name]) for name in names))
        pairs = list(zip(names, answers, strict=True))
        parts: dict[str, Value] = {name: value for name, (value, _) in pairs}
        parts["uptime"] = round(self._clock.monotonic() - self._started, 3)
        parts["version"] = __version__
        parts["errors"] = {name: error for name, (_, error) in pairs if error is not None}
        return parts


class Cached:
    """A provider that asks another at most once per `seconds`, however many want to know.

    A failure is kept for as long as an answer: a store in trouble is not asked more often for that.
    """

    def __init__(self, provider: Callable[[], Awaitable[Value]], clock: Clock, *, seconds: float) -> None:
        self._provider = provider
        self._clock = clock
        self._seconds = seconds
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[Value] | None = None

    async def __call__(self) -> Value:
        now = self._clock.monotonic()
        stale = now - self._asked_at >= self._seconds
        if self._asking is None or (stale and self._asking.done()):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(_retrieve)
        # Shielded: one caller that gives up must not take the answer from the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Value:
        async with asyncio.timeout(PROVIDER_TIMEOUT):
            return await self._provider()


def _retrieve(asking: "asyncio.Task[Value]") -> None:
    """Take note of a failure that nobody waits for any more, which asyncio would complain of."""
    if not asking.cancelled():
        asking.exception()


async def _ask(provider: Provider) -> tuple[Value, str | None]:
    try:
        value = provider()
        if inspect.isawaitable(value):
            async with asyncio.timeout(PROVIDER_TIMEOUT):
                value = await value
    except TaskrunnerError as exc:
        return None, str(exc)
    except TimeoutError:
        return None, f"no answer within {PROVIDER_TIMEOUT:g} s"
    except Exception as exc:  # noqa: BLE001 - one part that breaks must not hide the others
        return None, f"{type(exc).__name__} in the provider"
    return value, None
