"""The link to the server: who may call, for how long, and what is told when the server goes and comes back.

Law: while the link is down, only its own watch talks to the server; all other calls fail at once.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import Enum
from typing import Any

from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import NoScriptError, RedisError

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Events, LoopFailed, ServiceLost, ServiceRestored
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.ending import end
from taskrunner.stores.base import StoreStatus
from taskrunner.stores.redis.connections import Connections
from taskrunner.stores.redis.faults import Fault, fault
from taskrunner.stores.redis.fitness import Fitness, inspect
from taskrunner.stores.redis.settings import RedisSettings

SERVICE = "redis"
# A server that is gone is noticed within this time even without traffic.
HEARTBEAT = 1.0
# Waits between tries to come back: short, since a restarted Redis is back within a second.
_RECONNECT_CAP = 1.0
_RESEND_FIRST, _RESEND_CAP = 0.01, 0.2


class Standing(Enum):
    """How things stand; only `UP` and `REFUSING` let calls through."""

    CONNECTING = "connecting"
    UP = "up"
    REFUSING = "refusing"  # reads work, writes are refused (out of memory, disk full)
    DOWN = "down"
    UNFIT = "unfit"


class Link:
    """Sends commands within `settings.timeout` and translates the driver's errors.

    `probe` is a command that succeeds only where all that we do would: the link is up when it does.
    """

    def __init__(
        self,
        connections: Connections,
        settings: RedisSettings,
        server: str,
        events: Events,
        *,
        probe: tuple[str | int, ...],
    ) -> None:
        self._connections = connections
        self._probe = probe
        self._settings = settings
        self._server = server
        self._events = events
        self._standing = Standing.CONNECTING
        self._error: str | None = None
        self._lost_at: float | None = None
        self._connects = 0
        self._fitness = Fitness(version="", warnings=())
        self._changed = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, and to watch the connection."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name="redis link")

    async def stop(self) -> None:
        """End the watch and close all connections. Safe to call twice."""
        if self._watcher is not None:
            await end(self._watcher)
            self._watcher = None
        await self._connections.close()

    async def wait_ready(self, timeout: float) -> None:
        """Return once the server is up. Raises `StoreUnavailable`, or `StoreUnfit` as soon as it is known."""
        try:
            async with asyncio.timeout(timeout):
                while self._standing is not Standing.UP:
                    if self._standing is Standing.UNFIT:
                        raise StoreUnfit(self._error)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise StoreUnavailable(self._error or self._silence(timeout)) from None

    def status(self) -> StoreStatus:
        """How things stand now."""
        return StoreStatus(
            connected=self._standing is Standing.UP,
            reconnects=max(0, self._connects - 1),
            error=self._error,
            warnings=self._fitness.warnings,
            details={"address": self._server, "version": self._fitness.version},
        )

    async def call(self, *args: Any) -> Any:
        """The answer to one command. Raises `StoreUnavailable`, and the driver's `NoScriptError`."""
        return (await self.converse(args))[0]

    async def converse(self, *commands: Sequence[Any]) -> list[Any]:
        """The answers to several commands that need the same connection; raises as `call` does."""
        if self._standing not in {Standing.UP, Standing.REFUSING}:
            raise StoreUnavailable(self._error or f"still connecting to Redis at {self._server}")
        connects = self._connects
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._send_patiently(commands)
        except TimeoutError as exc:
            raise self._failed(Fault(message=self._silence(self._settings.timeout)), connects) from exc
        except NoScriptError:
            raise
        except (RedisError, OSError) as exc:
            found = fault(exc, self._server)
            if found is None:
                raise RuntimeError(f"Redis at {self._server} rejected {commands[0][0]}: {exc}") from exc
            raise self._failed(found, connects) from exc

    async def _send_patiently(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send again what a broken connection left open: each command we send is safe to repeat."""
        pause = Backoff(_RESEND_FIRST, _RESEND_CAP)
        for _ in range(self._settings.max_retries):
            try:
                return await self._connections.converse(commands)
            except (DriverConnectionError, OSError) as exc:
                if isinstance(exc, DriverConnectionError) and type(exc) is not DriverConnectionError:
                    raise  # the driver derives refusals, such as a wrong password, from broken connections
                await asyncio.sleep(pause.next())
        return await self._connections.converse(commands)

    def _silence(self, seconds: float) -> str:
        return f"Redis at {self._server} did not answer within {seconds:g} s"

    def _failed(self, found: Fault, connects: int) -> StoreUnavailable:
        if connects == self._connects:  # else it tells of an outage that is over by now
            self._lose(Standing.REFUSING if found.answers else Standing.DOWN, found.message)
        return StoreUnavailable(found.message)

    def _lose(self, standing: Standing, error: str) -> None:
        self._standing = standing
        self._error = error
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
            self._events.emit(ServiceLost(service=SERVICE, error=error))
        self._changed.set()

    def _restore(self, fitness: Fitness) -> None:
        self._fitness = fitness
        self._connects += 1
        self._standing = Standing.UP
        self._error = None
        if self._lost_at is not None:
            outage = asyncio.get_running_loop().time() - self._lost_at
            self._lost_at = None
            self._events.emit(ServiceRestored(service=SERVICE, outage=outage))
        self._changed.set()

    async def _watch(self) -> None:
        pause = Backoff(cap=_RECONNECT_CAP)
        while True:
            try:
                if self._standing is Standing.UP:
                    pause.reset()
                    await self._check()
                elif not await self._try_to_restore():
                    await asyncio.sleep(pause.next())
            except Exception as exc:  # noqa: BLE001 - the boundary of this loop: tell, pause, go on
                self._events.emit(LoopFailed(service="redis link", error=exc))
                await asyncio.sleep(_RECONNECT_CAP)

    async def _check(self) -> None:
        """Sleep until the next heartbeat, or until a call finds the server gone."""
        self._changed.clear()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            await self.ping_quietly()

    async def ping_quietly(self) -> None:
        """One round trip; a failure shows in the status only."""
        with contextlib.suppress(StoreUnavailable):
            await self.call("PING")

    async def _try_to_restore(self) -> bool:
        """One try to reach the server and to write to it; whether it is up now."""
        limit = self._settings.dial_timeout + self._settings.timeout
        try:
            async with asyncio.timeout(limit):
                # What hangs or points at a former primary must not be used again.
                await self._connections.drop_idle()
                fitness = await inspect(self._connections.send, self._server)
                await self._connections.send(*self._probe)
        except TimeoutError:
            self._lose(Standing.DOWN, self._silence(limit))
        except StoreUnfit as exc:
            self._lose(Standing.UNFIT, str(exc))
        except (RedisError, OSError) as exc:
            found = fault(exc, self._server) or Fault(message=f"Redis at {self._server} failed: {exc}")
            self._lose(Standing.REFUSING if found.answers else Standing.DOWN, found.message)
        else:
            self._restore(fitness)
        return self._standing is Standing.UP
