"""Remote work: leases the tasks of remote executors to workers that ask this process."""

from taskrunner.brokers.base import Broker
from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.consumer.remote.line import GiveBack, Line
from taskrunner.consumer.snoozer import Snoozer
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ExecutorUnknown, StateConflict
from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.executors.remote_lease import RemoteLease
from taskrunner.domain.queues.pauses import Pauses
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.runtime.service import Service
from taskrunner.stores.base import Store

# Seconds after the last call until a queue is left to other processes.
_LINGER = 2.0
_LOOK = 0.5
# When it stops, for what is to be written of limits.
_LAST_CHANGES = 1.0


class RemoteWork(Service):
    """`lease` is how many seconds a worker may be silent.

    `give_back` ends leases of a client that disconnected before it received them.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        events: Events,
        clock: Clock,
        task_settings: TaskSettingsSource,
        executors: ExecutorSource,
        limits: LeaseLimits,
        give_back: GiveBack,
        *,
        lease: float,
        hold: float,
    ) -> None:
        super().__init__("remote work", events)
        self._store = store
        self._broker = broker
        self._clock = clock
        self._task_settings = task_settings
        self._executors = executors
        self._limits = limits
        self._give_back = give_back
        self._snoozer = Snoozer(
            store, broker, events, clock, hold=hold, handlers=frozenset(), executors=executors
        )
        self._hold = hold
        self._lines: dict[str, Line] = {}
        self._closed = False
        self.lease = lease

    async def start(self) -> None:
        self._closed = False
        await self._snoozer.start()
        await super().start()

    async def stop(self) -> None:
        self.close()
        await super().stop()
        await self._snoozer.stop()
        self._broker.release([each.delivery for each in self._snoozer.withdraw()])
        await self._limits.close(_LAST_CHANGES)

    def close(self) -> None:
        """Lease nothing more; waiting calls get nothing. Safe to call twice."""
        self._closed = True
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    def apply_pauses(self, pauses: Pauses) -> None:
        """From now on, lease no task that these pauses cover."""
        self._snoozer.pauses = pauses

    async def check(self, name: str) -> None:
        """Raises `ExecutorUnknown`, and `StateConflict` for an executor whose tasks run elsewhere."""
        executor = self._executors.find(name)
        if executor is None and await self._executors.look_again():
            executor = self._executors.find(name)
        if executor is None:
            raise ExecutorUnknown(f"no executor has the name {name!r}")
        if executor.kind is not ExecutorKind.REMOTE:
            raise StateConflict(
                f"the tasks of {name!r} are run by taskrunner: it is of the kind {executor.kind}, not remote"
            )

    async def next(self, name: str, worker: str, *, most: int, wait: float) -> list[RemoteLease]:
        """Lease up to `most` tasks of an executor, and wait for the first for up to `wait` seconds.

        Raises as `check` does, and `OutsideError`.
        """
        await self.check(name)
        if self._closed:
            return []
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = self._make_line(name)
        return await line.next(worker, most, wait)

    async def turn(self) -> float:
        now = self._clock.monotonic()
        for name, line in list(self._lines.items()):
            if line.is_idle and now - line.idle_since >= _LINGER:
                line.pause()
                del self._lines[name]
        return _LOOK

    def _make_line(self, name: str) -> Line:
        return Line(
            name,
            self._store,
            self._broker,
            self._events,
            self._clock,
            self._task_settings,
            self._snoozer,
            self._limits,
            self._give_back,
            lease=self.lease,
            hold=self._hold,
        )
