"""Every store against a model of a few lines: hypothesis looks for calls after which the two differ."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from taskrunner.domain.tasks.status import CLAIMABLE, LIVE, PUBLISHABLE, Status
from taskrunner.stores.base import AcceptAnswer, ClaimAnswer, Store
from tests.contract.stores.conftest import BACKENDS
from tests.contract.stores.harness import KEEP, NOW, Backend, ended, entry, make_task, ref, settling
from tests.tools.examples import share

T = TypeVar("T")
LEASE = HOLD = timedelta(seconds=30)
LATER = timedelta(minutes=5)
MOST = 3  # attempts
NUMBERS = st.integers(0, 1)
# Mostly the attempt that counts, else a stale one or one that is not yet.
OFF_BY = st.sampled_from([0, 0, 0, 0, -1, 1])
CONSUMERS = st.sampled_from(["one:1:aaaa", "two:2:bbbb"])
ENDS = st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.RETRYING, Status.SCHEDULED])


@dataclass(slots=True)
class Known:
    """What the model knows of a task."""

    due: datetime
    status: Status = Status.SCHEDULED
    attempt: int = 0
    limit: int = MOST
    snoozes: int = 0
    consumer: str = ""
    history: list[int] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.status in LIVE

    def waits_for(self, attempt: int) -> bool:
        return self.attempt + 1 == attempt

    def runs(self, attempt: int) -> bool:
        return self.status is Status.RUNNING and self.attempt == attempt


class StoreMachine(RuleBasedStateMachine):
    """Two tasks, one in a namespace, any calls in any order. Each example has its own in the same store."""

    loop: asyncio.Runner
    store: Store
    examples = itertools.count()

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.example = next(self.examples)
        self.known: dict[str, Known] = {}
        self.before = Counter(self.do(self.store.counts()))

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(call)

    @property
    def namespace(self) -> str:
        return f"model-{self.example}~"

    def id_of(self, number: int) -> str:
        return f"{self.namespace}task" if number else f"model-{self.example}"

    def next_of(self, number: int) -> int:
        """The attempt that comes next."""
        known = self.known.get(self.id_of(number))
        return known.attempt + 1 if known else 1

    @rule(seconds=st.integers(1, 60))
    def time_goes_by(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(number=NUMBERS)
    def accept(self, number: int) -> None:
        task_id = self.id_of(number)
        new = entry(make_task(id=task_id, max_attempts=MOST), due=self.now)
        (accepted,) = self.do(self.store.accept([new]))
        assert (accepted.answer is AcceptAnswer.CREATED) == (task_id not in self.known)
        self.known.setdefault(task_id, Known(due=self.now))

    @rule(number=NUMBERS, off=OFF_BY)
    def mark_queued(self, number: int, off: int) -> None:
        attempt = self.next_of(number) + off
        task_id, due = self.id_of(number), self.now + LATER
        known = self.known.get(task_id)
        published = ref(task_id, attempt, snoozes=known.snoozes if known else 0)
        self.do(self.store.mark_queued([published], now=self.now, due=due))
        if known and known.status in PUBLISHABLE and known.waits_for(attempt):
            known.status, known.due = Status.QUEUED, due

    @rule(number=NUMBERS, off=OFF_BY, consumer=CONSUMERS)
    def claim(self, number: int, off: int, consumer: str) -> None:
        attempt = self.next_of(number) + off
        task_id, until = self.id_of(number), self.now + LEASE
        (claimed,) = self.do(
            self.store.claim([ref(task_id, attempt)], now=self.now, lease_until=until, consumer=consumer)
        )
        known = self.known.get(task_id)
        if known is None:
            assert claimed.answer is ClaimAnswer.UNKNOWN
        elif known.runs(attempt):
            mine = known.consumer == consumer
            assert claimed.answer is (ClaimAnswer.CLAIMED if mine else ClaimAnswer.HELD)
        elif known.status in CLAIMABLE and known.waits_for(attempt):
            assert (claimed.answer, claimed.attempt_limit) == (ClaimAnswer.CLAIMED, known.limit)
            known.status, known.attempt, known.consumer, known.due = Status.RUNNING, attempt, consumer, until
            known.history.append(attempt)
        else:
            assert claimed.answer is ClaimAnswer.STALE

    @rule(number=NUMBERS, off=OFF_BY)
    def renew(self, number: int, off: int) -> None:
        attempt = self.next_of(number) - 1 + off
        task_id, until = self.id_of(number), self.now + LEASE
        (renewed,) = self.do(self.store.renew([ref(task_id, attempt)], lease_until=until))
        known = self.known.get(task_id)
        assert renewed == (known is not None and known.runs(attempt))
        if known and renewed:
            known.due = until

    @rule(number=NUMBERS, off=OFF_BY, status=ENDS, counted=st.booleans())
    def settle(self, number: int, off: int, status: Status, counted: bool) -> None:
        attempt = self.next_of(number) - 1 + off
        task_id, due = self.id_of(number), self.now + LATER if status in LIVE else None
        item = settling(task_id, attempt, status, attempt=ended(attempt, counted=counted), due=due)
        (settled,) = self.do(self.store.settle([item], now=self.now))
        known = self.known.get(task_id)
        assert settled == (known is not None and known.runs(attempt))
        if known and settled:
            known.status, known.due = status, due or known.due
            known.limit += not counted
            known.snoozes += status is Status.SCHEDULED

    @rule(number=NUMBERS, off=OFF_BY)
    def fail(self, number: int, off: int) -> None:
        attempt = self.next_of(number) + off
        task_id = self.id_of(number)
        (failed,) = self.do(
            self.store.fail(
                [ref(task_id, attempt)], now=self.now, reason="rejected", error="no", retention=KEEP
            )
        )
        known = self.known.get(task_id)
        assert failed == (known is not None and known.status in CLAIMABLE and known.waits_for(attempt))
        if known and failed:
            known.status = Status.FAILED

    @rule(number=NUMBERS)
    def requeue(self, number: int) -> None:
        task_id = self.id_of(number)
        (requeued,) = self.do(self.store.requeue([task_id], now=self.now, due=self.now))
        known = self.known.get(task_id)
        assert (requeued is not None) == (known is not None and known.status is Status.FAILED)
        if known and requeued:
            known.status, known.due, known.limit = Status.SCHEDULED, self.now, known.attempt + MOST

    @rule(number=NUMBERS, off=OFF_BY)
    def postpone(self, number: int, off: int) -> None:
        attempt = self.next_of(number) + off
        task_id, due = self.id_of(number), self.now + LATER
        self.do(self.store.postpone([ref(task_id, attempt)], due=due))
        known = self.known.get(task_id)
        if known and known.status is Status.QUEUED and known.waits_for(attempt):
            known.due = due

    @rule()
    def take_due(self) -> None:
        """Exactly what is live and due, each hidden from the next who asks."""
        self._takes(self.now)

    @invariant()
    def records_agree(self) -> None:
        for task_id, known in self.known.items():
            record = self.do(self.store.get(task_id))
            assert record is not None
            assert (record.status, record.attempt, record.attempt_limit) == (
                known.status,
                known.attempt,
                known.limit,
            )
            assert [attempt.number for attempt in record.attempts] == known.history
            assert record.due == (known.due if known.live else None)

    @invariant()
    def counts_agree(self) -> None:
        counts = Counter(self.do(self.store.counts()))
        assert counts - self.before == Counter(known.status for known in self.known.values())

    @invariant()
    def the_lists_of_the_namespace_agree(self) -> None:
        task_id = self.id_of(1)
        known = self.known.get(task_id)
        failed = known is not None and known.status is Status.FAILED
        letters = self.do(self.store.list_dead_letters(limit=9, cursor=None, namespace=self.namespace))
        assert [letter.id for letter in letters.items] == [task_id] * failed
        for status in {None, known.status if known else Status.SCHEDULED}:
            page = self.do(self.store.list_tasks(status, limit=9, cursor=None, namespace=self.namespace))
            assert [record.task.id for record in page.items] == [task_id] * (known is not None)

    def teardown(self) -> None:
        """A task is in the due index exactly as long as it is live; none is left to the next example."""
        if not hasattr(self, "known"):
            return
        self._takes(self.now + timedelta(days=1))
        self._is_sound()
        for task_id, known in self.known.items():
            if known.status in CLAIMABLE:
                attempt = ref(task_id, known.attempt + 1)
                self.do(self.store.fail([attempt], now=self.now, reason="over", error="", retention=KEEP))
            elif known.live:
                item = settling(task_id, known.attempt, Status.FAILED)
                self.do(self.store.settle([item], now=self.now))

    def _is_sound(self) -> None:
        """Whatever was called, no index contradicts a record."""
        cursor: str | None = None
        while True:
            page = self.do(self.store.inspect(cursor=cursor, limit=1000))
            assert list(page.flawed) == []
            cursor = page.cursor
            if cursor is None:
                return

    def _takes(self, now: datetime) -> None:
        taken = self.do(self.store.take_due(now=now, limit=100, hold=HOLD.total_seconds()))
        found = {due.id: (due.status, due.attempt, due.attempt_limit) for due in taken}
        overdue = {key: known for key, known in self.known.items() if known.live and known.due <= now}
        assert found == {key: (each.status, each.attempt, each.limit) for key, each in overdue.items()}
        for known in overdue.values():
            known.due = now + HOLD


@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_store_does_as_its_model(name: str, request: pytest.FixtureRequest) -> None:
    """Whatever is called in whatever order, answers, records, counts and the due index are the model's."""
    backend: Backend = BACKENDS[name](request)
    with asyncio.Runner() as loop:
        machine = type("Machine", (StoreMachine,), {"loop": loop, "store": loop.run(backend.open())})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=share(1 / 4),
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            loop.run(backend.close())
