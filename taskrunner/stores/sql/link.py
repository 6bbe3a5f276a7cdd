"""The link to the database: who may call, for how long, and what is told when it goes and comes back.

Law: while the link is down, only its own watch talks to the database; all other calls fail at once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeVar

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.domain.events import Events, LoopFailed, ServiceLost, ServiceRestored
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.ending import end
from taskrunner.stores.base import StoreStatus
from taskrunner.stores.sql.engine import Answer, Engine, Fitness, Operation
from taskrunner.stores.sql.faults import Fault, fault
from taskrunner.stores.sql.settings import Database, SqlSettings

T = TypeVar("T")

# A database that is gone is noticed within this time even without traffic.
HEARTBEAT = 1.0
_RECONNECT_CAP = 1.0


class Standing(Enum):
    """How things stand; only `UP` and `REFUSING` let calls through."""

    CONNECTING = "connecting"
    UP = "up"
    REFUSING = "refusing"  # reads work, writes do not (locked, disk full)
    DOWN = "down"
    UNFIT = "unfit"


class Link:
    """Runs operations within `settings.timeout` and translates the drivers' errors."""

    def __init__(self, engine: Engine, settings: SqlSettings, database: Database, events: Events) -> None:
        self._engine = engine
        self._settings = settings
        self._database = database
        self._shown = f"{database.title} {database}"
        self._events = events
        self._standing = Standing.CONNECTING
        self._error: str | None = None
        self._lost_at: float | None = None
        self._connects = 0
        self._fitness = Fitness(version="")
        self._changed = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, and to watch the connection."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name=f"{self._database.service} link")

    async def stop(self) -> None:
        """End the watch and close all connections. Safe to call twice."""
        if self._watcher is not None:
            await end(self._watcher)
            self._watcher = None
        self._standing, self._error = Standing.DOWN, f"the store on {self._shown} was stopped"
        await self._engine.close()

    async def wait_ready(self, timeout: float) -> None:
        """Return once the database is up. Raises `StoreUnavailable`, or `StoreUnfit` once that is known."""
        try:
            async with asyncio.timeout(timeout):
                while self._standing is not Standing.UP:
                    if self._standing is Standing.UNFIT:
                        raise StoreUnfit(self._error)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise StoreUnavailable(self._error or self._silence(timeout)) from None

    async def upgrade(self) -> None:
        """Bring the schema up to date. Raises `StoreUnavailable`, `StoreUnfit`."""
        try:
            await self._engine.upgrade()
        except Exception as exc:
            found = fault(exc, self._database)
            if found is None:
                raise
            raise (StoreUnfit if found.unfit else StoreUnavailable)(found.message) from exc

    def status(self) -> StoreStatus:
        """How things stand now."""
        return StoreStatus(
            connected=self._standing is Standing.UP,
            reconnects=max(0, self._connects - 1),
            error=self._error,
            warnings=self._fitness.warnings,
            details={"address": str(self._database), "version": self._fitness.version},
        )

    async def write(self, operation: Operation[Answer]) -> Answer:
        """Run a change and commit it. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._engine.write(operation))

    async def read(self, operation: Operation[Answer]) -> Answer:
        """Run what only reads. Raises `StoreUnavailable`."""
        return await self._call(lambda: self._engine.read(operation))

    async def ping(self) -> None:
        """One round trip. Raises `StoreUnavailable`."""
        await self._call(self._engine.ping)

    async def check_replicas(self) -> None:
        """See `Store.check_replicas`."""
        await self._call(self._engine.check_replicas)

    async def replicate(self) -> None:
        """See `Store.replicate`."""
        await self._call(self._engine.replicate)

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._standing not in {Standing.UP, Standing.REFUSING}:
            raise StoreUnavailable(self._error or f"still connecting to {self._shown}")
        connects = self._connects
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await work()
        except WriteUnconfirmed:
            raise
        except StoreUnavailable as exc:
            raise self._failed(Fault(message=str(exc)), connects) from exc
        except TimeoutError as exc:
            raise self._failed(Fault(message=self._silence(self._settings.timeout)), connects) from exc
        except Exception as exc:
            found = fault(exc, self._database)
            if found is None:
                raise
            raise self._failed(found, connects) from exc

    def _silence(self, seconds: float) -> str:
        return f"{self._shown} did not answer within {seconds:g} s"

    def _failed(self, found: Fault, connects: int) -> StoreUnavailable:
        contended = found.undone and found.answers
        # Contention is no outage; and what began before the last return tells of one that is over.
        if not contended and connects == self._connects:
            self._lose(Standing.REFUSING if found.answers else Standing.DOWN, found.message)
        return StoreUnavailable(found.message)

    def _lose(self, standing: Standing, error: str) -> None:
        self._standing = standing
        self._error = error
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
            self._events.emit(ServiceLost(service=self._database.service, error=error))
        self._changed.set()

    def _restore(self, fitness: Fitness) -> None:
        self._fitness = fitness
        self._connects += 1
        self._standing = Standing.UP
        self._error = None
        if self._lost_at is not None:
            outage = asyncio.get_running_loop().time() - self._lost_at
            self._lost_at = None
            self._events.emit(ServiceRestored(service=self._database.service, outage=outage))
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
                self._events.emit(LoopFailed(service=f"{self._database.service} link", error=exc))
                await asyncio.sleep(_RECONNECT_CAP)

    async def _check(self) -> None:
        """Sleep until the next heartbeat, or until a call finds the database gone."""
        self._changed.clear()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            with contextlib.suppress(StoreUnavailable):
                await self.ping()

    async def _try_to_restore(self) -> bool:
        """One try to reach the database and to write to it; whether it is up now."""
        limit = self._settings.dial_timeout + self._settings.timeout
        try:
            async with asyncio.timeout(limit):
                fitness = await self._engine.inspect()
        except TimeoutError:
            self._lose(Standing.DOWN, self._silence(limit))
        except StoreUnfit as exc:
            self._lose(Standing.UNFIT, str(exc))
        except Exception as exc:
            found = fault(exc, self._database)
            if found is None:
                self._lose(Standing.DOWN, f"{self._shown} failed: {type(exc).__name__}")
                raise
            self._lose(_standing(found), found.message)
        else:
            self._restore(fitness)
        return self._standing is Standing.UP


def _standing(found: Fault) -> Standing:
    if found.unfit:
        return Standing.UNFIT
    return Standing.REFUSING if found.answers else Standing.DOWN
