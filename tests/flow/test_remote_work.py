"""Tasks that workers elsewhere lease: one fence, whoever dies, is late, or says it twice."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.consumer.remote import outcomes
from taskrunner.consumer.remote.remote_attempts import AttemptEnd, Ended, Heartbeat
from taskrunner.domain.errors import ExecutorUnknown, StateConflict, TaskInvalid
from taskrunner.domain.events import DeliveryDropped, LeaseExpired
from taskrunner.domain.executors.remote_lease import LeaseState, UpdateAnswer
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AttemptRef
from tests.flow.local_runner import HOLD, LEASE, LocalRunner
from tests.flow.remote_process import DONE, QUEUE, Remote


async def test_a_leased_task_is_acknowledged_and_ends(runner: LocalRunner, remote: Remote) -> None:
    """The broker need not hold what the due index holds; the result is kept as it was spelt."""
    task_id = await remote.submit()
    lease = await remote.one()
    assert (lease.task.id, lease.attempt, lease.task.body) == (task_id, 1, '{"width":2}')
    assert await runner.status(task_id) is Status.RUNNING
    runner.broker.disconnect()
    runner.broker.reconnect()
    assert (await runner.broker.depths())[QUEUE] == 0
    assert await remote.end(lease) == Ended(answer=UpdateAnswer.APPLIED, status=Status.SUCCEEDED)
    assert await runner.store.body(task_id) == b'{"width": 1.0}'
    record = await runner.record(task_id)
    assert record.attempts[0].consumer is not None
    assert record.attempts[0].consumer.startswith("w1/")
    assert lease.token.partition(".")[2] not in record.attempts[0].consumer


async def test_one_call_leases_many(remote: Remote) -> None:
    """As many as it asks for, each once; they share a token, which ends no task of another call."""
    ids = [await remote.submit() for _ in range(7)]
    first, second = await remote.lease(5), await remote.lease(5)
    assert [each.task.id for each in (*first, *second)] == ids
    assert [len({each.token for each in some}) for some in (first, second, first + second)] == [1, 1, 2]
    end = AttemptEnd(id=second[0].task.id, token=first[0].token, outcome=DONE)
    assert (await remote.attempts.end([end]))[0].answer is UpdateAnswer.LATE


async def test_who_does_not_wait_gets_what_is_there(runner: LocalRunner, remote: Remote) -> None:
    """Also by the first call after a pause, although the broker delivers only what is asked for."""
    ids = [await remote.submit() for _ in range(4)]
    assert [each.task.id for each in await remote.lease(2, wait=0)] == ids[:2]
    runner.clock.advance(7)
    await remote.work.turn()
    assert [each.task.id for each in await remote.lease(5, wait=0)] == ids[2:]


async def test_a_worker_that_dies_loses_the_task(runner: LocalRunner, remote: Remote) -> None:
    """It goes on elsewhere; what the dead one says later changes nothing, and it is told so."""
    task_id = await remote.submit(retry={"strategy": "constant", "base": 0})
    first = await remote.one()
    await runner.later(LEASE + 1)
    assert [event.attempt for event in runner.told(LeaseExpired)] == [1]
    await runner.later(HOLD)
    second = await remote.one()
    assert (second.task.id, second.attempt) == (task_id, 2)
    assert await remote.beat(first) is LeaseState.LOST
    assert await remote.end(first) == Ended(
        answer=UpdateAnswer.LATE, status=Status.RUNNING, lease=LeaseState.LOST
    )
    assert await remote.end(second) == Ended(answer=UpdateAnswer.APPLIED, status=Status.SUCCEEDED)
    assert (await remote.end(first)).answer is not UpdateAnswer.APPLIED
    record = await runner.record(task_id)
    assert [str(each.outcome) for each in record.attempts] == ["interrupted", "ok"]


async def test_a_heartbeat_keeps_the_lease(runner: LocalRunner, remote: Remote) -> None:
    """And the progress, by whichever process it comes."""
    task_id = await remote.submit(timeout=600)
    lease = await remote.one()
    for _ in range(3):
        await runner.later(LEASE * 0.8)
        assert await remote.beat(lease, fraction=0.5, message="half") is LeaseState.HELD
    record = await runner.record(task_id)
    assert (record.status, record.attempt) == (Status.RUNNING, 1)
    assert record.progress is not None
    assert (record.progress.fraction, record.progress.message) == (0.5, "half")
    assert (await remote.end(lease)).answer is UpdateAnswer.APPLIED


async def test_an_attempt_has_its_time(runner: LocalRunner, remote: Remote) -> None:
    """After the timeout of the task no heartbeat helps: the lease ends, and the task goes on."""
    await remote.submit(timeout=LEASE * 1.5)
    lease = await remote.one()
    await runner.later(LEASE * 0.9)
    assert await remote.beat(lease) is LeaseState.HELD
    await runner.later(LEASE * 0.9)
    assert await remote.beat(lease) is LeaseState.TIMED_OUT
    await runner.later(LEASE)
    assert await remote.beat(lease) is LeaseState.LOST


async def test_a_cancelled_task_is_told_to_its_worker(runner: LocalRunner, remote: Remote) -> None:
    task_id = await remote.submit()
    lease = await remote.one()
    await runner.cancellation.cancel(task_id)
    assert await remote.beat(lease) is LeaseState.CANCELLED
    assert (await remote.end(lease)).answer is not UpdateAnswer.APPLIED
    assert await runner.status(task_id) is Status.CANCELLED


async def test_an_end_counts_once(runner: LocalRunner, remote: Remote) -> None:
    """Also twice in one call, and after the first answer was lost."""
    task_id = await remote.submit()
    lease = await remote.one()
    end = AttemptEnd(id=task_id, token=lease.token, outcome=DONE)
    answers = await remote.attempts.end([end, end])
    assert [each.answer for each in answers] == [UpdateAnswer.APPLIED, UpdateAnswer.REPEATED]
    assert await remote.end(lease) == Ended(answer=UpdateAnswer.REPEATED, status=Status.SUCCEEDED)
    other = outcomes.failed("after all", final=True, retry_after=None)
    assert await remote.end(lease, other) == Ended(
        answer=UpdateAnswer.LATE, status=Status.SUCCEEDED, lease=LeaseState.ENDED
    )
    assert await remote.beat(lease) is LeaseState.ENDED
    assert (await runner.store.counts())[Status.SUCCEEDED] == 1


@pytest.mark.parametrize("token", ["", "1", "1.x", "1." + "A" * 22, "2." + "A" * 22])
async def test_only_the_token_ends_an_attempt(runner: LocalRunner, remote: Remote, token: str) -> None:
    """Another worker of the same executor cannot, whatever it guesses."""
    task_id = await remote.submit()
    lease = await remote.one()
    (answer,) = await remote.attempts.end([AttemptEnd(id=task_id, token=token, outcome=DONE)])
    assert answer.answer is UpdateAnswer.LATE
    (beat,) = await remote.attempts.heartbeat([Heartbeat(id=task_id, token=token)])
    assert beat.state is LeaseState.LOST
    assert (await remote.end(lease)).answer is UpdateAnswer.APPLIED


@pytest.mark.parametrize(
    ("outcome", "status", "counted"),
    [
        (outcomes.failed("no", final=False, retry_after=None), Status.RETRYING, True),
        (outcomes.failed("no", final=False, retry_after=60), Status.RETRYING, True),
        (outcomes.failed("no", final=True, retry_after=None), Status.FAILED, True),
        (outcomes.snoozed(60, "not yet"), Status.SCHEDULED, False),
        (outcomes.cancelled("not wanted"), Status.CANCELLED, True),
    ],
)
async def test_a_worker_decides_how_it_ends(
    runner: LocalRunner, remote: Remote, outcome: Outcome, status: Status, counted: bool
) -> None:
    """As a Python handler does, by the same rules."""
    task_id = await remote.submit()
    lease = await remote.one()
    assert (await remote.end(lease, outcome)).status is status
    record = await runner.record(task_id)
    assert record.attempts[0].counted is counted
    assert await remote.beat(lease) is (
        LeaseState.CANCELLED if status is Status.CANCELLED else LeaseState.ENDED
    )
    if outcome.due_in is not None:
        assert record.due == runner.clock.now() + timedelta(seconds=60)


async def test_a_delivery_of_a_claimed_attempt_is_dropped(runner: LocalRunner, remote: Remote) -> None:
    """The process died between the claim and the acknowledgement: the broker delivers once more."""
    task_id = await remote.submit()
    now = runner.clock.now()
    ref = AttemptRef(id=task_id, attempt=1)
    await runner.store.claim([ref], now=now, lease_until=now + timedelta(seconds=LEASE), consumer="dead")
    assert await remote.lease(wait=0.2) == []
    assert [event.reason for event in runner.told(DeliveryDropped)] == ["held"]
    await runner.later(LEASE + 1)
    await runner.later(HOLD * 60)
    assert (await remote.one()).attempt == 2


async def test_a_paused_executor_leases_nothing(runner: LocalRunner, remote: Remote) -> None:
    """Its tasks wait in the due index, and come when it is resumed."""
    task_id = await remote.submit()
    runner.pauses.subscribe(remote.work.apply_pauses)
    await runner.pause("label:team=a")
    waiting = await remote.submit(labels={"team": "a"})
    assert [each.task.id for each in await remote.lease(5)] == [task_id]
    assert await remote.lease(5, wait=0.2) == []
    await runner.pause()
    await runner.later(HOLD + 1)
    assert [each.task.id for each in await remote.lease(5)] == [waiting]


async def test_a_message_of_another_program_is_adopted(runner: LocalRunner, remote: Remote) -> None:
    """Without our envelope; one that is no task becomes a dead letter."""
    message = json.dumps({"executor": "resize", "data": [1]}).encode()
    await runner.broker.publish(
        [
            Publication(queue=QUEUE, body=b"nonsense", task_id="m0"),
            Publication(queue=QUEUE, body=message, task_id="m1"),
        ]
    )
    assert await remote.lease(wait=0.2) == []
    await runner.later(1)
    lease = await remote.one()
    assert (lease.task.id, lease.task.body) == ("m1", "[1]")


async def test_who_waits_gets_nothing_when_the_process_stops(remote: Remote) -> None:
    """At once, and so does who asks later; what was not leased goes back to the broker."""
    waiting = asyncio.ensure_future(remote.lease())
    await asyncio.sleep(0)
    remote.work.close()
    assert await waiting == []
    assert await remote.lease() == []


async def test_a_client_that_goes_during_the_claim_gives_the_task_back(
    runner: LocalRunner, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt does not count, and the next client has the task at once."""
    claiming, go_on, claim = asyncio.Event(), asyncio.Event(), type(runner.store).claim

    async def slow_claim(*args: Any, **fields: Any) -> Any:
        claiming.set()
        await go_on.wait()
        return await claim(*args, **fields)

    monkeypatch.setattr(type(runner.store), "claim", slow_claim)
    task_id = await remote.submit()
    gone = asyncio.ensure_future(remote.lease())
    await claiming.wait()
    gone.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    record = await runner.record(task_id)
    assert (record.status, record.attempts[0].counted) == (Status.RETRYING, False)
    await runner.later(1)
    assert (await remote.one()).attempt == 2


async def test_what_cannot_be_leased_is_told(remote: Remote) -> None:
    """An unknown executor, and one whose tasks run elsewhere; and no task chooses its queue."""
    with pytest.raises(ExecutorUnknown, match="'none'"):
        await remote.work.next("none", "w1", most=1, wait=0)
    with pytest.raises(StateConflict, match="of the kind python"):
        await remote.work.next("resize_image", "w1", most=1, wait=0)
    with pytest.raises(TaskInvalid, match="a queue of their own"):
        await remote.submit(queue="low")


async def test_an_operator_ends_a_task_that_waits(runner: LocalRunner, remote: Remote) -> None:
    """Without a token; a running one only its worker ends, and a finished one nobody."""
    task_id = await remote.submit()
    ended = await remote.attempts.end_waiting(task_id, DONE, by="boss")
    assert ended.status is Status.SUCCEEDED
    with pytest.raises(StateConflict, match="can only be deleted"):
        await remote.attempts.end_waiting(task_id, DONE, by="boss")
    running = await remote.submit()
    await remote.one()
    with pytest.raises(StateConflict, match="its worker ends it"):
        await remote.attempts.end_waiting(running, DONE, by="boss")
