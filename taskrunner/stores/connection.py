"""The connection to a store's server: time limits, outages, and the return to service.

Law: while the connection is down, only its own watch talks to the server; all other calls fail at once.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from taskrunner.domain.errors import StoreRefused, StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.domain.events import Events, LoopFailed, ServerFault, ServiceLost, ServiceRestored
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.stores.lifecycle import StoreLifecycle, StoreStatus

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# A lost server is noticed within this time even without traffic.
HEARTBEAT = 1.0
# The longest pause between reconnects: short, since a restarted server is often back within a second.
_RECONNECT_CAP = 1.0


class ConnectionState(Enum):
    """Calls go through in the states `UP` and `REFUSING` only."""

    CONNECTING = "connecting"
    UP = "up"
    REFUSING = "refusing"  # reads work, writes are refused (out of memory, disk full, locked)
    DOWN = "down"
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a call failed.

    `answers`: the server can be read, but refuses writes. `unfit`: only an operator can fix it.
    `undone`: the call was certainly rolled back, and may succeed if repeated at once. `unknown` is the
    server's code of a fault that we do not know.
    """

    message: str
    answers: bool = False
    unfit: bool = False
    undone: bool = False
    unknown: str = ""

    @property
    def state(self) -> ConnectionState:
        return ConnectionState.REFUSING if self.answers else ConnectionState.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What the server reports about itself; `version` is empty when it does not tell."""

    version: str
    warnings: tuple[str, ...] = ()


class StoreConnection(ABC):
    """Makes calls within `timeout` seconds and translates the driver's errors.

    `service` is the server's name in events; messages call it by `title` and `address`.
    """

    def __init__(
        self,
        events: Events,
        *,
        service: str,
        title: str,
        address: str,
        dial_timeout: float,
        timeout: float,
    ) -> None:
        self._events = events
        self._service = service
        self._address = address
        self._shown = f"{title} {address}"
        self._dial_timeout = dial_timeout
        self._timeout = timeout
        self._state = ConnectionState.CONNECTING
        self._error: str | None = None
        self._lost_at: float | None = None
        self._connects = 0
        self._fitness = Fitness(version="")
        self._changed = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, and to watch the connection."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(), name=f"{self._service} connection")

    async def stop(self) -> None:
        """End the watch and close all connections. Safe to call twice."""
        if self._watcher is not None:
            await cancel_and_wait(self._watcher)
            self._watcher = None
        self._state, self._error = ConnectionState.DOWN, f"the store on {self._shown} was stopped"
        await self._close()

    async def wait_ready(self, timeout: float) -> None:
        """Return once the server is up. Raises `StoreUnavailable`, or `StoreUnfit` as soon as it is known."""
        try:
            async with asyncio.timeout(timeout):
                while self._state is not ConnectionState.UP:
                    if self._state is ConnectionState.UNFIT:
                        raise StoreUnfit(self._error)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise StoreUnavailable(self._error or self._no_answer(timeout)) from None

    def status(self) -> StoreStatus:
        """The state now."""
        return StoreStatus(
            connected=self._state is ConnectionState.UP,
            reconnects=max(0, self._connects - 1),
            error=self._error,
            warnings=self._fitness.warnings,
            details={"address": self._address, "version": self._fitness.version},
        )

    @abstractmethod
    async def ping(self) -> None:
        """One round trip. Raises `StoreUnavailable`."""

    @abstractmethod
    async def _inspect(self) -> Fitness:
        """Check the server, and that writes work, on fresh connections.

        Raises `StoreUnfit`, `StoreUnavailable`, and the driver's errors.
        """

    @abstractmethod
    def _fault(self, exc: Exception) -> Fault | None:
        """The fault of the server that `exc` shows; None when the fault is ours."""

    @abstractmethod
    async def _close(self) -> None:
        """Close all connections."""

    async def _call(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of `work`.

        Raises `StoreUnavailable`, `StoreRefused`, and errors that are our own fault as they are.
        """
        if self._state not in {ConnectionState.UP, ConnectionState.REFUSING}:
            raise StoreUnavailable(self._error or f"still connecting to {self._shown}")
        connects = self._connects
        try:
            async with asyncio.timeout(self._timeout):
                return await work()
        except WriteUnconfirmed:
            raise
        except StoreUnavailable as exc:
            raise self._failed(Fault(message=str(exc)), connects) from exc
        except TimeoutError as exc:
            raise self._failed(Fault(message=self._no_answer(self._timeout)), connects) from exc
        except Exception as exc:
            found = self._fault(exc)
            if found is None:
                raise
            if found.unknown:
                self._tell_unknown(found)
                if found.answers:
                    raise StoreRefused(found.message) from exc
            raise self._failed(found, connects) from exc

    def _tell_unknown(self, found: Fault) -> None:
        self._events.emit(ServerFault(service=self._service, code=found.unknown, error=found.message))

    def _no_answer(self, seconds: float) -> str:
        return f"{self._shown} did not answer within {seconds:g} s"

    def _failed(self, found: Fault, connects: int) -> StoreUnavailable:
        contended = found.undone and found.answers
        # Contention is no outage, and a call from before the last reconnect tells of an outage that is over.
        if not contended and connects == self._connects:
            self._lose(found.state, found.message)
        return StoreUnavailable(found.message)

    def _lose(self, state: ConnectionState, error: str) -> None:
        self._state = state
        self._error = error
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
            self._events.emit(ServiceLost(service=self._service, error=error))
        self._changed.set()

    def _restore(self, fitness: Fitness) -> None:
        self._fitness = fitness
        self._connects += 1
        self._state = ConnectionState.UP
        self._error = None
        if self._lost_at is not None:
            outage = asyncio.get_running_loop().time() - self._lost_at
            self._lost_at = None
            self._events.emit(ServiceRestored(service=self._service, outage=outage))
        self._changed.set()

    async def _watch(self) -> None:
        pause = Backoff(cap=_RECONNECT_CAP)
        while True:
            try:
                if self._state is ConnectionState.UP:
                    pause.reset()
                    await self._check()
                elif not await self._try_to_restore():
                    await asyncio.sleep(pause.next())
            except Exception as exc:  # noqa: BLE001 - the boundary of this loop: report, pause, go on
                self._events.emit(LoopFailed(service=f"{self._service} connection", error=exc))
                await asyncio.sleep(_RECONNECT_CAP)

    async def _check(self) -> None:
        """Sleep until the next heartbeat, or until a call finds the server gone."""
        self._changed.clear()
        try:
            async with asyncio.timeout(HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            with contextlib.suppress(StoreUnavailable):
                await self.ping()

    async def _try_to_restore(self) -> bool:
        """Try once to reach the server and to write to it; whether it is up now."""
        limit = self._dial_timeout + self._timeout
        try:
            async with asyncio.timeout(limit):
                fitness = await self._inspect()
        except TimeoutError:
            self._lose(ConnectionState.DOWN, self._no_answer(limit))
        except StoreUnfit as exc:
            self._lose(ConnectionState.UNFIT, str(exc))
        except StoreUnavailable as exc:
            self._lose(ConnectionState.DOWN, str(exc))
        except Exception as exc:
            found = self._fault(exc)
            if found is None:
                self._lose(ConnectionState.DOWN, f"{self._shown} failed: {type(exc).__name__}")
                raise
            if found.unknown:
                self._tell_unknown(found)
            self._lose(ConnectionState.UNFIT if found.unfit else found.state, found.message)
        else:
            self._restore(fitness)
        return self._state is ConnectionState.UP


class ConnectedStore(StoreLifecycle):
    """The lifecycle of a store is that of its `_connection`."""

    _connection: StoreConnection

    async def start(self) -> None:
        self._connection.start()

    async def wait_ready(self, timeout: float) -> None:
        await self._connection.wait_ready(timeout)

    async def stop(self) -> None:
        await self._connection.stop()

    def status(self) -> StoreStatus:
        return self._connection.status()

    async def ping(self) -> None:
        await self._connection.ping()


def cut(
    items: Sequence[Item], size: Callable[[Item], int], *, item_limit: int, byte_limit: int
) -> Iterator[Sequence[Item]]:
    """Cut a batch that one call cannot carry.

    Its parts have at most `item_limit` items, and at most `byte_limit` bytes unless one item is larger.
    """
    first, room = 0, byte_limit
    for position, item in enumerate(items):
        room -= size(item)
        if position > first and (room < 0 or position - first == item_limit):
            yield items[first:position]
            first, room = position, byte_limit - size(item)
    if first < len(items):
        yield items[first:]
