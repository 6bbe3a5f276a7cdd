"""The whole flow in one process: memory broker, a store, and as many processes of ours as a test wants."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from taskrunner.brokers.memory import MemoryBroker
from taskrunner.consumer.collector import Collector
from taskrunner.consumer.consumer import Consumer
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.consumer.thread_pool import ThreadPool
from taskrunner.consumer.worker_pool import WorkerPool
from taskrunner.domain.events import Event, Events, TaskSettled
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.handlers.base import AttemptContext, Handler, HandlerFactory
from taskrunner.producer.bulk_actions import BulkActions
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.cleaner import Cleaner
from taskrunner.producer.intake import Intake, Submitted
from taskrunner.producer.pause_watch import PauseWatch
from taskrunner.producer.publisher import Publisher
from taskrunner.producer.queue_watch import QueueWatch
from taskrunner.producer.relay import Relay
from taskrunner.producer.requeuer import Requeuer
from taskrunner.producer.schedule_admin import ScheduleAdmin
from taskrunner.producer.scheduler import Scheduler
from taskrunner.producer.search import Search
from taskrunner.producer.settings import RelaySettings, SchedulerSettings
from taskrunner.producer.webhook_watch import WebhookWatch
from taskrunner.stores.base import Store
from tests.tools.clock import ManualClock
from tests.tools.executors import EXECUTORS
from tests.tools.severed import Severable
from tests.tools.waiting import PATIENCE, eventually

Kind = TypeVar("Kind", bound=Event)
Answer = Callable[[AttemptContext], Outcome]

RELAY, RETENTION = RelaySettings(), RetentionSettings()
HOLD, LEASE, FORGOTTEN = RELAY.hold, RELAY.lease, RELAY.forgotten_after
# Few enough for a test to count the slots that are made up for.
CATCH_UP = 5
DEADLINE = PATIENCE
OK = Outcome(kind=OutcomeKind.OK, response=Response(status=200, body=b"fine", size_bytes=4))


def http_error(status: int, retry_after: float | None = None) -> Outcome:
    return Outcome(
        kind=OutcomeKind.HTTP_ERROR,
        error=f"the target answered {status}",
        response=Response(status=status),
        retry_after=retry_after,
    )


class Target:
    """What the handlers call in place of the network: it answers by script, and keeps a ledger."""

    def __init__(self) -> None:
        self.answer: Answer = lambda context: OK
        self.ledger: list[tuple[str, int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def script(self, *outcomes: Outcome) -> None:
        """Answer the first attempt with the first outcome and so on; the last one stays."""
        self.answer = lambda context: outcomes[min(context.number, len(outcomes)) - 1]

    def runs(self, task_id: str) -> int:
        return sum(seen == task_id for seen, _ in self.ledger)


class TargetHandler(Handler):
    """A handler whose network is a `Target`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def run(self, context: AttemptContext) -> Outcome:
        self._target.ledger.append((context.task.id, context.number))
        assert self._target.gate.wait(DEADLINE), "the gate stayed closed"
        return self._target.answer(context)

    def close(self) -> None:
        """Nothing is kept."""


class TargetKit(HandlerFactory):
    """All handlers have one target."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def start(self) -> None:
        """Nothing is shared but the target."""

    def make_handler(self) -> Handler:
        return TargetHandler(self._target)

    def stop(self) -> None:
        """Nothing is shared but the target."""


class LocalRunner:
    """Parts on one store and one broker. Nothing moves by itself but consumers that were started."""

    def __init__(self, store: Store, *, wipe: Callable[[], Awaitable[None]]) -> None:
        self.lose_store = wipe
        self.clock = ManualClock()
        self.events = Events()
        self.log: list[Event] = []
        self._heard = asyncio.Event()
        self.events.subscribe(self._hear)
        self.store = store
        self.broker = MemoryBroker(self.events)
        self.task_settings = TaskSettingsSource()
        self.queues = QueueWatch(
            store,
            self.broker,
            self.events,
            self.task_settings,
            DeclaredQueues(),
            self.task_settings.current.executors,
        )
        self.target = Target()
        self.webhooks = WebhookWatch(store, self.events, self.clock)
        self.webhooks.source.set(())
        self.publisher = self.make_publisher(store)
        self.intake = self.make_intake(store, self.publisher)
        self.requeue = Requeuer(store, self.intake, self.publisher, self.clock, hold=HOLD)
        self.schedules = ScheduleAdmin(store, self.intake, self.clock)
        self.cancellation = self.make_cancellation(store)
        self.bulk_actions = self.make_bulk_action(store)
        self.pauses = self.make_pauses()
        self.relay = self.make_relay(store)
        self.consumers: list[Consumer] = []
        self._lines: list[Severable] = []

    def make_pauses(self) -> PauseWatch:
        return PauseWatch(self.store, self.events, self.clock, self.task_settings.current.executors)

    def make_publisher(self, store: Store) -> Publisher:
        return Publisher(self.broker, store, self.events, self.clock, forgotten_after=FORGOTTEN)

    def make_intake(self, store: Store, publisher: Publisher | None = None) -> Intake:
        publisher = publisher or self.make_publisher(store)
        return Intake(
            store,
            publisher,
            self.events,
            self.clock,
            self.task_settings,
            hold=HOLD,
            webhooks=self.webhooks.source,
        )

    def make_cancellation(self, store: Store) -> Cancellation:
        return Cancellation(store, self.events, self.clock, RETENTION, self.webhooks.source)

    def make_requeuer(self, store: Store) -> Requeuer:
        return Requeuer(store, self.make_intake(store), self.make_publisher(store), self.clock, hold=HOLD)

    def make_bulk_action(self, store: Store) -> BulkActions:
        return BulkActions(store, Search(store), self.make_cancellation(store), self.make_requeuer(store))

    def make_relay(self, store: Store) -> Relay:
        return Relay(
            store,
            self.broker,
            self.make_publisher(store),
            self.events,
            self.clock,
            RELAY,
            RETENTION,
            self.webhooks.source,
            lambda: self.pauses.current,
        )

    def make_scheduler(self, store: Store | None = None, clock: ManualClock | None = None) -> Scheduler:
        settings = SchedulerSettings(catch_up=CATCH_UP)
        return Scheduler(
            store or self.store,
            self.events,
            clock or self.clock,
            self.task_settings,
            settings,
            self.webhooks.source,
        )

    def make_cleaner(self, store: Store | None = None, retention: RetentionSettings = RETENTION) -> Cleaner:
        return Cleaner(
            store or self.store,
            self.events,
            self.clock,
            retention,
            self.webhooks.source,
            interval=RELAY.poll_interval,
        )

    def collect(self, keep: float = RETENTION.failed) -> None:
        """Start to move the broker's dead letters into the store."""
        Collector(
            self.store,
            self.broker,
            self.events,
            self.clock,
            self.task_settings,
            self.webhooks.source,
            keep=keep,
        ).start()

    async def consumer(
        self,
        store: Store | None = None,
        workers: int = 2,
        make_pool: Callable[[Events], WorkerPool] | None = None,
        **given: Any,
    ) -> Consumer:
        """A running consumer, of another process than those before."""
        given.setdefault("executors", EXECUTORS)
        settings = ConsumerSettings(name=f"consumer-{len(self.consumers) + 1}", **given)
        consumer = Consumer(
            store or self.store,
            self.broker,
            self.events,
            self.clock,
            self.task_settings,
            RETENTION,
            self.webhooks.source,
            make_pool(self.events) if make_pool else ThreadPool(TargetKit(self.target), self.events),
            settings,
        )
        self.consumers.append(consumer)
        line: object = store
        if isinstance(line, Severable):
            self._lines.append(line)
        consumer.pool.resize(workers)
        self.queues.subscribe(consumer.apply_queues)
        self.pauses.subscribe(consumer.apply_pauses)
        await consumer.start()
        return consumer

    async def pause(self, *scopes: str) -> None:
        """Let these scopes be paused, and no others, and everybody have heard of it."""
        for scope in await self.store.pauses():
            await self.store.resume(scope)
        for scope in scopes:
            await self.store.pause(scope, now=self.clock.now())
        await self.pauses.turn()

    async def submit(self, url: str = "http://target.test/", **fields: object) -> Submitted:
        submitted = await self.intake.submit(
            TaskDraft.from_fields({"url": url, **fields}, self.task_settings.current.limits)
        )
        await self.publisher.drain()
        return submitted

    async def record(self, task_id: str) -> Record:
        record = await self.store.get(task_id)
        assert record is not None, f"task {task_id} has no record"
        return record

    async def status(self, task_id: str) -> Status:
        return (await self.record(task_id)).status

    async def has_status(self, task_id: str, status: Status) -> bool:
        return await self.status(task_id) is status

    async def until_succeeded(self, task_id: str, *, runs: int) -> None:
        """The task ends succeeded after so many runs, and a full set of later relay turns changes nothing."""
        await self.heard(TaskSettled)
        assert await self.status(task_id) is Status.SUCCEEDED
        for _ in range(3):
            await self.later(FORGOTTEN + LEASE)
        assert self.target.runs(task_id) == runs
        assert (await self.store.counts())[Status.SUCCEEDED] == 1

    def told(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.log if isinstance(event, kind)]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for events until the condition holds; fails after the deadline, naming `what`."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition():
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            raise AssertionError(f"never came: {what}; told so far: {self.log}") from None

    async def heard(self, kind: type[Kind], count: int = 1) -> list[Kind]:
        await self.until(lambda: len(self.told(kind)) >= count, f"{count} x {kind.__name__}")
        return self.told(kind)

    async def until_runs(self, count: int) -> None:
        """Wait until that many attempts have reached the target; threads do not tell, so this polls."""
        await eventually(lambda: len(self.target.ledger) >= count)

    async def later(self, seconds: float) -> None:
        """Move the clock and let the cleaner and the relay do what is due."""
        self.clock.advance(seconds)
        await self.make_cleaner().turn()
        await self.relay.turn()

    async def break_connections(self) -> None:
        """The broker takes back everything unacked, and sends it again."""
        self.broker.disconnect()
        self.broker.reconnect()

    async def close(self) -> None:
        self.target.gate.set()
        for line in self._lines:
            line.mend()  # a consumer that stops waits for its store
        for consumer in self.consumers:
            aborted = asyncio.Event()
            aborted.set()
            await consumer.stop(0, aborted)
        await self.broker.stop()

    def _hear(self, event: Event) -> None:
        self.log.append(event)
        self._heard.set()
