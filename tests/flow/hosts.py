"""What tests of hosts share: a slow host and a fast one, and consumers with limits."""

from collections.abc import Callable
from datetime import timedelta

from taskrunner.consumer.consumer import Consumer
from taskrunner.domain.events import TaskSettled, TasksSnoozed
from taskrunner.domain.hosts.circuit_breaker import BreakerSettings
from taskrunner.domain.hosts.host_limit import HostLimit
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import HostState, encode_state
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.handlers.base import AttemptContext
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.flow.local_runner import OK, LocalRunner
from tests.tools.waiting import eventually

SLOW = "http://slow.test/"
FAST = "http://fast.test/"


def by_host(**answers: Outcome) -> Callable[[AttemptContext], Outcome]:
    """Answers by the first label of the host; all other hosts answer 200."""

    def answer(context: AttemptContext) -> Outcome:
        return answers.get((context.task.url or "").split("/")[2].split(".")[0], OK)

    return answer


async def store_state(runner: LocalRunner, **fields: object) -> None:
    """Store a state for the slow host, unless it has one: slow, so that no task waits in the backlog."""
    now, until = runner.clock.now(), runner.clock.now() + timedelta(hours=1)
    state = replace(HostState(mean=10.0), **fields)
    entry = HostEntry(host="slow.test", version=f"v{len(fields)}", encoded=encode_state(state), until=until)
    await runner.store.write_hosts([HostEdit(entry=entry, expected=None)], now=now)


async def start_consumer(runner: LocalRunner, workers: int = 4, **limits: HostLimit) -> Consumer:
    """A consumer with limits by the first label of a `.test` host."""
    await store_state(runner)
    configured = {f"{label}.test": limit for label, limit in limits.items()}
    settings = HostSettings(breaker=BreakerSettings(failures=3, cooldown=20.0))
    return await runner.consumer(workers=workers, host_limits=configured, host_settings=settings)


async def pass_time(runner: LocalRunner, seconds: float, settled: int) -> None:
    """Let time pass in steps and settle what is due in each, until `settled` attempts are settled."""

    async def nothing_runs() -> bool:
        runner.clock.advance(0.05)
        counts = await runner.store.counts()
        return not (counts[Status.QUEUED] or counts[Status.RUNNING])

    while len(runner.told(TaskSettled)) < settled:
        await runner.later(seconds)
        await eventually(nothing_runs)


async def snoozed(runner: LocalRunner, count: int) -> None:
    await runner.until(
        lambda: sum(event.count for event in runner.told(TasksSnoozed)) >= count, f"{count} snoozes"
    )
