"""Stats: the parts of `/stats`, each from its provider."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import TaskrunnerError
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.runtime.unread import read_failure
from taskrunner.version import __version__

# Answers, or returns an awaitable of, anything that `/stats` can show as JSON.
Provider = Callable[[], Any]

# A slower provider is a dependency in trouble.
PROVIDER_TIMEOUT = 2.0


class Stats:
    """Asks all providers at the same time. One that fails or hangs gives null and an entry in `errors`."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock, events: Events) -> None:
        self._providers = dict(providers)
        self._clock = clock
        self._events = events
        self._started = clock.monotonic()

    async def collect(self) -> dict[str, Any]:
        """All parts by name, with `uptime` (seconds), `version` and `errors`. Never raises."""
        parts, errors = await self.ask(self._providers)
        parts["uptime"] = round(self._clock.monotonic() - self._started, 3)
        parts["version"] = __version__
        parts["errors"] = errors
        return parts

    async def ask(self, providers: Mapping[str, Provider]) -> tuple[dict[str, Any], dict[str, str]]:
        """What each answers, all asked at the same time: null where it failed, with an error by its name."""
        answers = await asyncio.gather(*(self._ask(*each) for each in providers.items()))
        pairs = list(zip(providers, answers, strict=True))
        parts = {name: value for name, (value, _) in pairs}
        return parts, {name: error for name, (_, error) in pairs if error is not None}

    async def _ask(self, name: str, provider: Provider) -> tuple[Any, str | None]:
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
            self._events.emit(LoopFailed(service=f"statistics: {name}", error=exc))
            return None, f"{type(exc).__name__} in the provider"
        return value, None


class Cached:
    """A provider that asks another one at most once per `seconds`, for any number of callers.

    A failure is kept as long as an answer, so that a store in trouble is not asked more often.
    """

    def __init__(self, provider: Callable[[], Awaitable[Any]], clock: Clock, *, seconds: float) -> None:
        self._provider = provider
        self._clock = clock
        self._seconds = seconds
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[Any] | None = None

    async def __call__(self) -> Any:
        now = self._clock.monotonic()
        stale = now - self._asked_at >= self._seconds
        if self._asking is None or (stale and self._asking.done()):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(read_failure)
        # Shielded: a caller that gives up must not cancel the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Any:
        async with asyncio.timeout(PROVIDER_TIMEOUT):
            return await self._provider()
