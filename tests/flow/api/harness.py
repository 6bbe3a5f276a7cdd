"""What tests of the API hold on to: a running API, its parts, and ways to ask it."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import fakeredis
import pytest
from aiohttp import web

from taskrunner.api.app import LIVE_REQUESTS
from taskrunner.api.auth.access import Access
from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.server import WebServer
from taskrunner.brokers.memory import MemoryBroker
from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import Event, Events
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.monitor.health import Health
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.executor_watch import ExecutorWatch
from taskrunner.producer.intake import Intake
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.producer.key_limiter import KeyLimiter
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.pause_watch import PauseWatch
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.storage_quota import StorageQuota
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.producer.task_quota import TaskQuota
from taskrunner.stores.base import AttemptRef
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from tests.tools.waiting import eventually, in_time

HEAD = b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
# For tests of the time that a request may take.
hasty = pytest.mark.parametrize("request_timeout", [0.3])


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: Any
    content: bytes
    json: Any = None


@dataclass
class Api:
    """A running API and all that it stands on."""

    app: web.Application
    server: WebServer
    store: RedisStore
    redis: fakeredis.FakeServer
    broker: MemoryBroker
    health: Health
    session: aiohttp.ClientSession
    intake: Intake
    keys: KeyWatch
    sessions: Sessions
    quota: TaskQuota
    storage: StorageQuota
    pauses: PauseWatch
    feed: TaskFeed
    executors: ExecutorWatch
    work: RemoteWork
    attempts: RemoteAttempts
    events: list[Event] = field(default_factory=list)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        url = f"http://127.0.0.1:{self.server.port}{path}"
        async with self.session.request(method, url, **options) as response:
            content = await response.read()
            answer = Answer(response.status, response.headers, content)
            if content and re.search(r"[/+]json$", response.content_type):
                answer.json = await response.json(content_type=None)
            return answer

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    @property
    def clock(self) -> SystemClock:
        return SystemClock()

    async def make_key(self, name: str, *scopes: Scope) -> str:
        """A new key, which the API knows; from the first one on, nobody gets in without."""
        made = await KeyAdmin(self.store, self.clock).create(name, scopes, owner=None, expires_at=None)
        await self.keys.turn()
        return made.secret

    async def revoke_key(self, name: str) -> None:
        await KeyAdmin(self.store, self.clock).revoke(name)
        await self.keys.turn()

    @property
    def live(self) -> LiveRequests:
        return self.app[LIVE_REQUESTS]

    async def make_executor(self, name: str = "resize_image", **fields: Any) -> Answer:
        """A new executor, which the API knows: of the kind python, unless `fields` say otherwise."""
        made = await self.ask("POST", "/executors", json={"name": name, "kind": "python", **fields})
        assert made.status == 201, made.content
        return made

    async def submit(self, **task: Any) -> Answer:
        return await self.ask("POST", "/tasks", json={"url": "http://example.com/", **task})

    async def refusal(self, status: int, code: str, method: str, path: str, **options: Any) -> Any:
        """Ask, and see to it that the answer is that problem; answers its members."""
        answer = await self.ask(method, path, **options)
        assert (answer.status, answer.json["code"]) == (status, code), answer.content
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status
        return answer.json

    async def queued(self, task_id: str) -> None:
        """Wait until a new task is marked as queued, which a consumer need not wait for."""

        async def is_queued() -> bool:
            record = await self.store.get(task_id)
            return record is not None and record.status is Status.QUEUED

        await eventually(is_queued)

    async def finish(self, task_id: str, status: Status, response: Response | None = None) -> None:
        """Run the next attempt of a task, as a consumer does."""
        record = await self.store.get(task_id)
        assert record is not None
        now = datetime.now(UTC)
        ref = AttemptRef(id=task_id, attempt=record.attempt + 1)
        await self.store.claim([ref], now=now, lease_until=now + timedelta(seconds=30), consumer="c1")
        failed = status is Status.FAILED
        kind = OutcomeKind.HTTP_ERROR if failed else OutcomeKind.OK
        outcome = Outcome(kind=kind, error="answered 500" if failed else None, response=response)
        attempt = Attempt(number=ref.attempt, consumer="c1", started_at=now)
        due = None if status in TERMINAL else now
        verdict = Verdict(status=status, reason="in a test", due=due)
        assert await self.store.settle(
            [settlement(record.task, attempt, outcome, verdict, RetentionSettings(), now=now, webhooks=())],
            now=now,
        ) == [True]

    async def talk(self, sent: bytes) -> bytes:
        """Send bytes as they are, and everything that comes back until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(sent)
            async with in_time("the server closes the connection"):
                return await reader.read()
        finally:
            writer.close()


def open_access() -> Access:
    """Whoever asks is let in."""
    clock, events = SystemClock(), Events()
    store = RedisStore(RedisSettings(), events)
    return Access(KeyWatch(store, events, clock), AccessSettings(auth=Auth.NONE), KeyLimiter(store, clock))


def unused_trail() -> AuditTrail:
    """For an application that changes nothing."""
    events = Events()
    return AuditTrail(RedisStore(RedisSettings(), events), events, SystemClock())


def problem(answer: bytes) -> Any:
    """The problem in a raw response, whose connection is not to be used again."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    assert head.startswith(b"HTTP/1.1 ")
    assert b"connection: close" in head.lower()
    members = json.loads(body)
    assert head.split()[1] == str(members["status"]).encode()
    return members
