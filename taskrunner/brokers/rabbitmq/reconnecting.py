"""A link: one connection that is made again whenever it is lost, until it is stopped.

    dialling ──> attaching ──> up ──(connection, channel or watchdog gives up)──> pausing ──> dialling …

The one reconnect state machine of the adapter. What a connection is for is its role's business.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pika import URLParameters

from taskrunner.brokers.rabbitmq.connection import Connection, dial
from taskrunner.brokers.rabbitmq.errors import needs_operator, translate
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait

# Channels, topology and consumers together; declaring quorum queues on a busy cluster takes seconds.
ATTACH_TIMEOUT = 30.0
# Waits between tries to come back: short, since all that was accepted meanwhile waits for it.
_RECONNECT_CAP = 2.0
# The pause when only an operator can help. Short enough that nobody restarts us to make us look again.
OPERATOR_PAUSE = 5.0
# A connection that lived this long starts the waits afresh; one that did not was no success.
STABLE_AFTER = 5.0


class ConnectionRole(ABC):
    """What one connection is used for. The link calls these in turn, for each connection anew."""

    @abstractmethod
    async def attach(self, connection: Connection) -> None:
        """Set everything up; raises `BrokerUnavailable` or `TopologyConflict`."""

    @abstractmethod
    async def hold(self, connection: Connection) -> None:
        """Mend what breaks while the connection lives; raise to have it made anew."""

    @abstractmethod
    def detach(self) -> None:
        """Forget the connection; called after every `attach`, however far it came."""


class ReconnectingConnection:
    """`error` says why it is not up; `connects` counts how often it was; `version` is the last server's."""

    def __init__(
        self,
        name: str,
        addresses: Sequence[URLParameters],
        role: ConnectionRole,
        *,
        dial_timeout: float,
        events: Events,
        on_change: Callable[[], None],
    ) -> None:
        self._name = name
        self._addresses = addresses
        self._role = role
        self._dial_timeout = dial_timeout
        self._events = events
        self._on_change = on_change
        self._backoff = Backoff(cap=_RECONNECT_CAP)
        self._turn = 0
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self.up = False
        self.error: TaskrunnerError | None = None
        self.connects = 0
        self.version = ""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"rabbitmq {self._name}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        if self._connection is not None:
            await self._connection.leave()
        await cancel_and_wait(task)

    def drop(self, reason: str) -> None:
        """Make the connection anew."""
        if self._connection is not None:
            self._connection.drop(BrokerUnavailable(reason))

    async def _run(self) -> None:
        while True:
            began = asyncio.get_running_loop().time()
            error = self.error = await self._session()
            if self._task is None:
                return
            if self.up and asyncio.get_running_loop().time() - began >= STABLE_AFTER:
                self._backoff.reset()
            self.up = False
            self._on_change()
            await asyncio.sleep(self._pause(error))

    def _pause(self, error: TaskrunnerError) -> float:
        """Every address gets its chance before we wait, unless the answer was a refusal."""
        self._turn += 1
        if needs_operator(error):
            return OPERATOR_PAUSE
        return self._backoff.next() if self._turn % len(self._addresses) == 0 else 0.0

    async def _session(self) -> TaskrunnerError:
        """Connect, hold the connection until it ends, answer why it did."""
        parameters = self._addresses[self._turn % len(self._addresses)]
        where = f"RabbitMQ at {parameters.host}:{parameters.port}"
        try:
            self._connection = connection = await dial(parameters, self._dial_timeout)
            async with asyncio.timeout(ATTACH_TIMEOUT):
                await self._role.attach(connection)
            self.version = connection.version
            self._rise()
            await self._hold(connection)
        except TaskrunnerError as exc:
            return type(exc)(f"{where}: {exc}")
        except TimeoutError:
            return BrokerUnavailable(f"{where}: not set up after {ATTACH_TIMEOUT:g} s")
        except Exception as exc:  # noqa: BLE001 - the boundary of a loop that must not end
            self._events.emit(LoopFailed(service=f"rabbitmq {self._name}", error=exc))
            return translate(exc)
        finally:
            self._role.detach()
            if self._connection is not None:
                self._connection.drop(BrokerUnavailable("the session is over"))
                self._connection = None
        return BrokerUnavailable(f"{where}: {connection.ended.result()}")

    def _rise(self) -> None:
        self.up, self.error = True, None
        self.connects += 1
        self._on_change()

    async def _hold(self, connection: Connection) -> None:
        """Until the connection ends. A role that gives up while it lives gives the reason."""
        holding = asyncio.ensure_future(self._role.hold(connection))
        try:
            await asyncio.wait((holding, connection.ended), return_when=asyncio.FIRST_COMPLETED)
            if connection.ended.done():
                return
            holding.result()
        finally:
            await cancel_and_wait(holding)  # what it raised is left: the connection's own end says more
