"""A process with an API that remote workers talk to, without its faces."""

from typing import Any

from taskrunner.consumer.remote import outcomes
from taskrunner.consumer.remote.lease_limits import LeaseLimits
from taskrunner.consumer.remote.remote_attempts import AttemptEnd, Ended, Heartbeat, RemoteAttempts
from taskrunner.consumer.remote.remote_work import RemoteWork
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.domain.executors.remote_lease import LeaseState, RemoteLease
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.stores.base import Store
from tests.flow.local_runner import HOLD, LEASE, RETENTION, LocalRunner
from tests.tools.waiting import PATIENCE

QUEUE = "remote.resize"
DONE = outcomes.completed('{"width": 1.0}', field="result", max_bytes=100)


class Remote:
    """The parts of a process with an API that workers talk to."""

    def __init__(self, runner: LocalRunner) -> None:
        self.runner = runner
        executors = runner.task_settings.current.executors
        settings = ConsumerSettings(name="api", lease=LEASE)
        self.limits = LeaseLimits(runner.store, runner.clock, executors, settings)
        self.attempts = self.make_attempts()
        self.work = RemoteWork(
            runner.store,
            runner.broker,
            runner.events,
            runner.clock,
            runner.task_settings,
            executors,
            self.limits,
            self.attempts.give_back,
            lease=LEASE,
            hold=HOLD,
        )

    def make_attempts(self, store: Store | None = None) -> RemoteAttempts:
        """Those of another process have nothing but the store in common."""
        runner = self.runner
        return RemoteAttempts(
            store or runner.store,
            runner.events,
            runner.clock,
            RETENTION,
            runner.webhooks.source,
            self.limits,
            lease=LEASE,
        )

    async def submit(self, **fields: Any) -> str:
        draft = {"executor": "resize", "data": {"width": 2}, **fields}
        limits = self.runner.task_settings.current.limits
        submitted = await self.runner.intake.submit(TaskDraft.from_fields(draft, limits))
        await self.runner.publisher.drain()
        return submitted.id

    async def lease(self, most: int = 1, wait: float = PATIENCE) -> list[RemoteLease]:
        return await self.work.next("resize", "w1", most=most, wait=wait)

    async def one(self) -> RemoteLease:
        (lease,) = await self.lease()
        return lease

    async def end(self, lease: RemoteLease, outcome: Outcome = DONE) -> Ended:
        end = AttemptEnd(id=lease.task.id, token=lease.token, outcome=outcome)
        (answer,) = await self.make_attempts().end([end])
        return answer

    async def beat(self, lease: RemoteLease, **fields: Any) -> LeaseState:
        beat = Heartbeat(id=lease.task.id, token=lease.token, **fields)
        (answer,) = await self.make_attempts().heartbeat([beat])
        return answer.state
