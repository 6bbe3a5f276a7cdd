"""A consumer's turns with a simulated clock, broker and workers: seconds of work pass in no time.

The parts that decide are the real ones: backlog, host gate, room maker, host measures. What runs is counted.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import count
from typing import NamedTuple

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.backlog import Backlog
from taskrunner.consumer.host_gate import HostGate
from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.host_watch import HostWatch
from taskrunner.consumer.in_flight import ClaimedAttempt, InFlight
from taskrunner.consumer.room_maker import RoomMaker
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.shared_host_states import SharedHostStates
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.consumer.waiting_delivery import WaitingDelivery
from taskrunner.consumer.worker_group import WorkerGroup
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.tasks.envelope import Envelope
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.handlers.base import HandlerFactory
from tests.flow.local_runner import OK, LocalRunner
from tests.tools.fetching import make_task

# As often as the claimer claims, and as the host watch measures.
_TURN, _MEASURE = 0.006, 0.25
_BATCH = 200


class Run(NamedTuple):
    """An attempt that has ended, in seconds since the start of the simulation."""

    task: Task
    began: float
    ended: float


class SimulatedWorkers(WorkerGroup):
    """Attempts are begun in the order in which they were claimed, as in a worker process."""

    def __init__(self, runner: LocalRunner, workers: int, seconds_of: Callable[[Task], float]) -> None:
        super().__init__(runner.events)
        self._clock = runner.clock
        self._start = runner.clock.monotonic()
        self._workers = workers
        self._seconds_of = seconds_of
        self._waiting: deque[ClaimedAttempt] = deque()
        self._running: list[tuple[float, int, float, ClaimedAttempt]] = []
        self.runs: list[Run] = []

    @property
    def pid(self) -> None:
        return None

    @property
    def total(self) -> int:
        return self._workers

    def advance(self) -> None:
        """End what has run for its time, and begin what waits for these workers."""
        now = self._clock.monotonic() - self._start
        while self._running and self._running[0][0] <= now:
            ended, _, began, attempt = heapq.heappop(self._running)
            attempt.elapsed = ended - began
            self.runs.append(Run(attempt.task, began, ended))
            self._finish(attempt, OK)
        while self._waiting and len(self._running) < self._workers:
            attempt = self._waiting.popleft()
            ends = now + self._seconds_of(attempt.task)
            heapq.heappush(self._running, (ends, attempt.ticket, now, attempt))

    def _hand_over(self, attempt: ClaimedAttempt) -> None:
        self._waiting.append(attempt)

    def resize(self, target: int) -> None:
        self._workers = target

    def adopt(self, factory: HandlerFactory) -> None:
        """There are no handlers."""

    async def withdraw(self) -> list[ClaimedAttempt]:
        return []

    def check(self) -> None:
        """No worker hangs."""

    async def close(self) -> None:
        """Nothing is kept."""


class SimulatedConsumer:
    """`seconds_of` a task is how long its attempts take. One queue; snoozed tasks go to its end when due."""

    def __init__(
        self, runner: LocalRunner, seconds_of: Callable[[Task], float], workers: int = 50, prefetch: int = 300
    ) -> None:
        self._runner = runner
        settings = ConsumerSettings(name="simulated", prefetch=prefetch, workers=workers)
        self._prefetch = settings.held_per_queue
        self._pool = SimulatedWorkers(runner, workers, seconds_of)
        hosts = HostStatsTable()
        self._backlog = Backlog(DeclaredQueues().weights, hosts.of)
        states = SharedHostStates(runner.store, runner.clock, settings, hosts)
        self._watch = HostWatch(
            runner.store,
            runner.events,
            runner.clock,
            settings,
            hosts=hosts,
            states=states,
            pool=self._pool,
            executors=runner.task_settings.current.executors,
        )
        self._room_maker = RoomMaker(runner.clock, settings, self._backlog, self._is_full)
        self._gate = HostGate(
            runner.clock,
            settings,
            backlog=self._backlog,
            hosts=hosts,
            states=states,
            watch=self._watch,
            room_maker=self._room_maker,
        )
        self._in_flight = InFlight()
        self._queue: deque[Task] = deque()
        self._snoozed: list[tuple[float, int, PendingSnooze]] = []
        self._numbers = count()
        self._next_measure = 0.0
        self.snoozes = 0

    @property
    def runs(self) -> Sequence[Run]:
        """What has ended."""
        return self._pool.runs

    def ran(self, host: str) -> int:
        """How many attempts have ended at hosts whose name begins so."""
        return sum((each.task.url or "").startswith(f"http://{host}") for each in self.runs)

    def submit(self, hosts: Iterable[str], key: str | None = None) -> None:
        """A task for each of the hosts, at the end of the queue."""
        for host in hosts:
            task = replace(make_task(f"http://{host}/"), id=f"t{next(self._numbers)}", fairness_key=key)
            self._queue.append(task)

    async def run_until(self, reached: Callable[[], bool], *, at_most: float) -> float:
        """Turn after turn; returns the seconds that have passed. Fails after `at_most`."""
        await self._pool.start(self._on_finished)
        start = self._runner.clock.monotonic()
        while not reached():
            passed = self._runner.clock.monotonic() - start
            assert passed < at_most, f"after {passed:.1f} s: {self._counts()}"
            await self._turn()
            self._runner.clock.advance(_TURN)
            self._pool.advance()
        return self._runner.clock.monotonic() - start

    async def _turn(self) -> None:
        now = self._runner.clock.now().timestamp()
        while self._snoozed and self._snoozed[0][0] <= now:
            self._queue.append(heapq.heappop(self._snoozed)[2].waiting.envelope.task)
        while self._queue and not self._is_full("medium"):
            delivery = Delivery(b"", "medium", redelivered=False, message_id=None, tag=0, epoch=1)
            self._backlog.append(WaitingDelivery(Envelope(attempt=1, task=self._queue.popleft()), delivery))
        if now >= self._next_measure:
            self._watch.measure_running()
            self._wake()
            self._next_measure = now + _MEASURE
        room = min(_BATCH, max(0, self._pool.room()))
        self._snooze(self._room_maker.make_room(room))
        admitted = await self._gate.admit(self._gate.take(room, self._pool.total))
        for waiting in admitted.starting:
            attempt = ClaimedAttempt(
                waiting.envelope.task,
                1,
                delivery=waiting.delivery,
                attempt_limit=1,
                claimed_at=self._runner.clock.now(),
                host_stats=waiting.host_stats,
            )
            self._in_flight.add(attempt)
            self._pool.submit(attempt)
        self._gate.end_batch()
        self._pool.advance()

    def _snooze(self, snoozes: Iterable[PendingSnooze]) -> None:
        for snooze in snoozes:
            due = snooze.due or self._runner.clock.now() + timedelta(seconds=10)
            entry = (due.timestamp(), next(self._numbers), snooze)
            heapq.heappush(self._snoozed, entry)
            self.snoozes += 1

    def _wake(self) -> None:
        """As the snoozer does: those of a host that has turned out to be fast come back at once."""
        for place, (_, number, snooze) in enumerate(self._snoozed):
            stats = snooze.slow_host
            if stats is not None and not (stats.slow or stats.unmeasured):
                self._snoozed[place] = (0.0, number, snooze)
                stats.last_due = 0.0
        heapq.heapify(self._snoozed)

    def _is_full(self, queue: str) -> bool:
        return len(self._backlog) + len(self._in_flight) >= self._prefetch

    def _on_finished(self, attempt: ClaimedAttempt) -> None:
        self._watch.learn_from(attempt)
        self._in_flight.remove(attempt)
        self._watch.release_place(attempt)

    def _counts(self) -> str:
        ran = Counter(each.task.url for each in self.runs)
        return (
            f"{ran}, {len(self._queue)} queued, {len(self._backlog)} held, {len(self._snoozed)} snoozed, "
            f"{len(self._in_flight)} in flight"
        )
