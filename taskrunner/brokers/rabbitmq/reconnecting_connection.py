"""A connection that is made again whenever it is lost, until it is stopped: the adapter's one reconnect loop.

    dial ──> attach ──> maintain (is_up) ──> detach ──> pause ──> dial
      │ fails   │ fails                         ^
      └─────────┴───────────────────────────────┘

`maintain` ends when the connection is lost, the role gives up, or the watchdog drops the connection. What the
connection is used for is up to its role.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pika import ConnectionParameters

from taskrunner.brokers.rabbitmq.amqp_connection import AmqpConnection, dial
from taskrunner.brokers.rabbitmq.errors import needs_operator, translate
from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.errors import BrokerUnavailable, TaskrunnerError
from taskrunner.domain.events import Events, LoopFailed
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait

# Channels, topology and consumers together; declaring quorum queues on a busy cluster takes seconds.
ATTACH_TIMEOUT = 30.0
# The longest pause between two dials: short, since everything accepted meanwhile waits for the connection.
_RECONNECT_CAP = 2.0
# The pause when only an operator can help. Short enough that nobody restarts us to have us look again.
OPERATOR_PAUSE = 5.0
# A connection that lasted this long resets the pauses; a shorter one does not count as a success.
STABLE_AFTER = 5.0


class ConnectionRole(ABC):
    """What one connection is used for. Each connection calls these methods in this order."""

    @abstractmethod
    async def attach(self, connection: AmqpConnection) -> None:
        """Set up channels, topology and consumers. Raises `BrokerUnavailable` or `TopologyConflict`."""

    @abstractmethod
    async def maintain(self, connection: AmqpConnection) -> None:
        """Repair what breaks while the connection is up; raise to have the connection made again."""

    @abstractmethod
    def detach(self) -> None:
        """Forget the connection. Called also after an `attach` that failed."""


class ReconnectingConnection:
    """`error` says why it is not up; `connects` counts how often it was; `version` is the last server's."""

    def __init__(
        self,
        name: str,
        addresses: Sequence[ConnectionParameters],
        role: ConnectionRole,
        *,
        events: Events,
        on_change: Callable[[], None],
    ) -> None:
        self._name = name
        self._addresses = addresses
        self._role = role
        self._events = events
        self._on_change = on_change
        self._backoff = Backoff(cap=_RECONNECT_CAP)
        self._dials = 0
        self._connection: AmqpConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_up = False
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
            await self._connection.close_gracefully()
        await cancel_and_wait(task)

    def reconnect(self, reason: str) -> None:
        """Drop the connection, if there is one, and make a new one."""
        if self._connection is not None:
            self._connection.drop(BrokerUnavailable(reason))

    async def _run(self) -> None:
        while True:
            began = asyncio.get_running_loop().time()
            error = self.error = await self._connect_once()
            if self._task is None:
                return
            if self.is_up and asyncio.get_running_loop().time() - began >= STABLE_AFTER:
                self._backoff.reset()
            self.is_up = False
            self._on_change()
            await asyncio.sleep(self._pause(error))

    def _pause(self, error: TaskrunnerError) -> float:
        """Seconds until the next dial. Every address is dialled before we wait, unless we were refused."""
        self._dials += 1
        if needs_operator(error):
            return OPERATOR_PAUSE
        return self._backoff.next() if self._dials % len(self._addresses) == 0 else 0.0

    async def _connect_once(self) -> TaskrunnerError:
        """Connect, stay up until the connection ends, and answer why it ended."""
        parameters = self._addresses[self._dials % len(self._addresses)]
        where = f"RabbitMQ at {shown_place((parameters.host, parameters.port))}"
        try:
            self._connection = connection = await dial(parameters)
            async with asyncio.timeout(ATTACH_TIMEOUT):
                await self._role.attach(connection)
            self.version = connection.version
            self._set_up()
            await self._stay_up(connection)
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

    def _set_up(self) -> None:
        self.is_up, self.error = True, None
        self.connects += 1
        self._on_change()

    async def _stay_up(self, connection: AmqpConnection) -> None:
        """Return once the connection ends; raise the role's reason if the role gives up first."""
        maintaining = asyncio.ensure_future(self._role.maintain(connection))
        try:
            await asyncio.wait((maintaining, connection.ended), return_when=asyncio.FIRST_COMPLETED)
            if connection.ended.done():
                return
            maintaining.result()
        finally:
            await cancel_and_wait(maintaining)  # its error is ignored: the connection's own end says more
