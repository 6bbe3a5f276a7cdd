"""What the contract tests of stores share: stores to run on, tasks to run with, and ways to every status."""

import secrets
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fakeredis import FakeAsyncRedisConnection, FakeServer

from taskrunner.domain.backends.redis_url import RedisUrl
from taskrunner.domain.events import Event, Events
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.new_task import new_task_id
from taskrunner.domain.tasks.outcome import OutcomeKind, Response, Timings
from taskrunner.domain.tasks.record import Attempt, DeadLetter, DeadLetterKind, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.stores.base import AttemptRef, Claimed, NewTask, Settlement, Store
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from tests.tools.stores import empty_sqlite, schemas, sqlite_url
from tests.tools.waiting import PATIENCE

NOW = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)
DAY = timedelta(days=1)
KEEP = 3600.0
CONSUMER = "host:1:aaaa"
RESPONSE = Response(
    status=200,
    headers=(("content-type", "text/plain"), ("x-two", "b")),
    content_type="text/plain",
    size_bytes=11,
    sha256="ab" * 32,
    timings=Timings(dns=0.1, connect=0.2, tls=0.3, first_byte=0.4, total=0.5),
    body=b"hello\x00world",
    truncated=True,
    url="https://target.example/there",
    redirects=2,
    http_version="2",
    unchanged=True,
)


class Backend(ABC):
    """One store's data. Any number of `Store`s can be opened on it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._opened: list[Store] = []

    async def open(self) -> Store:
        """A store on this data that is ready."""
        await self.prepare()
        events = Events()
        events.subscribe(self.events.append)
        store = self.make(events)
        self._opened.append(store)
        await store.start()
        await store.wait_ready(PATIENCE)
        return store

    async def prepare(self) -> None:  # noqa: B027 - most need none
        """Make the place for the data. Called before each store that is opened."""

    async def close(self) -> None:
        for store in self._opened:
            await store.stop()

    @abstractmethod
    def make(self, events: Events) -> Store:
        """One more store, not started."""


class RedisBackend(Backend):
    """Keys under a prefix of their own on a real server."""

    def __init__(self, url: str, **settings: Any) -> None:
        super().__init__()
        self.settings = RedisSettings(
            address=url, prefix=f"{{test-{secrets.token_hex(6)}}}", **{"timeout": 30.0, **settings}
        )

    def make(self, events: Events) -> RedisStore:
        return RedisStore(self.settings, events)


class FakeRedisBackend(Backend):
    """A Redis in this process, for the tests that need Lua and no more."""

    def __init__(self) -> None:
        super().__init__()
        self._server = FakeServer(version=(7,))

    def make(self, events: Events) -> RedisStore:
        def connect(settings: RedisSettings, endpoint: RedisUrl, context: object) -> FakeAsyncRedisConnection:
            return FakeAsyncRedisConnection(server=self._server, lua_modules=set(), protocol=2)

        return RedisStore(RedisSettings(timeout=PATIENCE), events, make_connection=connect)


class SqliteBackend(Backend):
    """A file in a folder of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "taskrunner.db"

    async def prepare(self) -> None:
        if not self.path.exists():
            self.path.write_bytes(empty_sqlite())

    async def close(self) -> None:
        await super().close()
        self._folder.cleanup()

    def make(self, events: Events) -> SqlStore:
        return SqlStore(SqlSettings(url=sqlite_url(self.path), timeout=PATIENCE), events)


class PostgresBackend(Backend):
    """A schema of its own on a real server, directly or through a `pooler`."""

    def __init__(self, server: str, pooler: str | None = None) -> None:
        super().__init__()
        self._schema = schemas(server).lend(pooler)
        self.url = ""

    async def prepare(self) -> None:
        self.url = self.url or await self._schema.__aenter__()

    async def close(self) -> None:
        await super().close()
        if self.url:
            await self._schema.__aexit__(None, None, None)

    def make(self, events: Events) -> SqlStore:
        return SqlStore(SqlSettings(url=self.url, timeout=PATIENCE), events)


def make_task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "id": new_task_id(),
        "url": "https://target.example/path?q=1",
        "timeout": 30.0,
        "max_attempts": 3,
        "retry": RetryPolicy(),
        "created_at": NOW,
    }
    return Task(**(fields | changes))


def entry(task: Task | None = None, **changes: Any) -> NewTask:
    """A task to accept, due now; `changes` of its deadline and `max_attempts` are those of the task."""
    names = {"deadline": "expires_at", "max_attempts": "max_attempts"}
    of_task = {names[name]: changes.pop(name) for name in names.keys() & changes.keys()}
    new = NewTask.of(replace(task or make_task(), **of_task), due=NOW)
    return replace(new, **changes)


def entries(count: int) -> list[NewTask]:
    return [entry() for _ in range(count)]


def ref(task_id: str, attempt: int = 1, *, snoozes: int = 0) -> AttemptRef:
    return AttemptRef(id=task_id, attempt=attempt, snoozes=snoozes)


def ended(number: int = 1, **changes: Any) -> Attempt:
    """An attempt that came to its end."""
    attempt = Attempt(
        number=number,
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=2),
        outcome=OutcomeKind.OK,
        status_code=200,
        consumer=CONSUMER,
    )
    return replace(attempt, **changes)


def settling(task_id: str, number: int, status: Status, **changes: Any) -> Settlement:
    """The end of an attempt, with the due time that the status asks for."""
    waits = status in {Status.RETRYING, Status.SCHEDULED}
    outcome = OutcomeKind.OK if status is Status.SUCCEEDED else OutcomeKind.TIMEOUT
    item = Settlement(
        id=task_id,
        attempt=ended(number, outcome=outcome),
        status=status,
        due=NOW + timedelta(seconds=30) if waits else None,
        error=None if status is Status.SUCCEEDED else "the target did not answer within 30 s",
        result=RESPONSE if status is Status.SUCCEEDED else None,
        keep=KEEP,
    )
    return replace(item, **changes)


async def claim(
    store: Store, refs: Sequence[AttemptRef], consumer: str = CONSUMER, now: datetime = NOW
) -> Sequence[Claimed]:
    return await store.claim(refs, now=now, lease_until=now + timedelta(seconds=30), consumer=consumer)


async def settle(store: Store, item: Settlement, now: datetime = NOW) -> bool:
    (done,) = await store.settle([item], now=now)
    return done


async def bring(store: Store, status: Status, **changes: Any) -> str:
    """A new task that has reached `status`: by its first attempt, where one is needed."""
    new = entry(**changes)
    await store.accept([new])
    if status is Status.SCHEDULED:
        return new.id
    await store.mark_queued([ref(new.id)], now=NOW, due=NOW + DAY)
    if status is Status.QUEUED:
        return new.id
    await claim(store, [ref(new.id)])
    if status is not Status.RUNNING:
        assert await settle(store, settling(new.id, 1, status))
    return new.id


def attempts_made(status: Status) -> int:
    """How many attempts have started of a task that `bring` made."""
    return 0 if status in {Status.SCHEDULED, Status.QUEUED} else 1


async def fetch(store: Store, task_id: str) -> Record:
    record = await store.get(task_id)
    assert record is not None
    return record


async def status_of(store: Store, task_id: str) -> Status:
    return (await fetch(store, task_id)).status


def message(letter_id: str, **changes: Any) -> DeadLetter:
    letter = DeadLetter(
        id=letter_id,
        kind=DeadLetterKind.MESSAGE,
        reason="rejected",
        error="not JSON",
        died_at=NOW,
        queue="high",
        url=None,
        attempt=0,
        raw=b"\xff\x00garbage",
        x_death='[{"queue":"taskrunner.high"}]',
    )
    return replace(letter, **changes)
