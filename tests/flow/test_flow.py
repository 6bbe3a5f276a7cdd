"""Tasks on their way through the whole flow: the good way, retries, refusals, dead letters."""

import asyncio
import json

import pytest

from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.events import HostSlowedDown, TaskSettled
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.record import DeadLetterKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from taskrunner.producer.batch_submit import BatchSubmit
from tests.flow.local_runner import FORGOTTEN, HOLD, OK, LocalRunner, http_error


async def test_a_task_succeeds(runner: LocalRunner) -> None:
    """It is fetched once, and its record holds the attempt, the result and the body."""
    await runner.consumer()
    submitted = await runner.submit()
    assert submitted.published
    await runner.heard(TaskSettled)
    record = await runner.record(submitted.id)
    assert (record.status, record.attempt, record.due) == (Status.SUCCEEDED, 1, None)
    assert record.attempts[0].outcome is OutcomeKind.OK
    assert record.result is not None
    assert record.result.status == 200
    assert await runner.store.body(submitted.id) == b"fine"
    assert runner.target.runs(submitted.id) == 1


async def test_a_delayed_task_waits_for_its_time(runner: LocalRunner) -> None:
    """Nothing of it is in the broker before."""
    await runner.consumer()
    submitted = await runner.submit(delay=60)
    assert not submitted.published
    await runner.later(59)
    assert (await runner.status(submitted.id), runner.target.ledger) == (Status.SCHEDULED, [])
    await runner.later(1)
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_a_failed_attempt_is_retried_after_its_delay(runner: LocalRunner) -> None:
    """The second attempt is published by the relay when it is due, not before."""
    runner.target.script(http_error(503), OK)
    await runner.consumer()
    submitted = await runner.submit(retry={"strategy": "constant", "base": 5, "jitter": 0})
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.RETRYING
    await runner.later(4.9)
    assert len(runner.target.ledger) == 1
    await runner.later(0.2)
    await runner.heard(TaskSettled, 2)
    record = await runner.record(submitted.id)
    assert [attempt.status_code for attempt in record.attempts] == [503, 200]
    assert record.status is Status.SUCCEEDED
    assert record.error is None


async def test_retry_after_is_the_floor_of_the_delay(runner: LocalRunner) -> None:
    """The target's wish counts where it is longer than our own delay."""
    runner.target.script(http_error(429, retry_after=120), OK)
    await runner.consumer()
    submitted = await runner.submit(retry={"strategy": "constant", "base": 1})
    await runner.heard(TaskSettled)
    await runner.later(119)
    assert await runner.status(submitted.id) is Status.RETRYING
    await runner.later(1)
    await runner.heard(TaskSettled, 2)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_a_refusal_is_not_retried(runner: LocalRunner) -> None:
    """404 is an answer: the task fails with its attempts left."""
    runner.target.script(http_error(404))
    await runner.consumer()
    submitted = await runner.submit()
    await runner.heard(TaskSettled)
    record = await runner.record(submitted.id)
    assert (record.status, record.attempt, record.error) == (Status.FAILED, 1, "the target answered 404")


async def test_a_post_that_may_have_acted_fails_as_unknown(runner: LocalRunner) -> None:
    """It is not sent again; record and dead letter tell why, and somebody who knows may requeue it."""
    runner.target.script(Outcome(kind=OutcomeKind.TIMEOUT, error="Timed out."), OK)
    await runner.consumer()
    submitted = await runner.submit(method="POST")
    await runner.heard(TaskSettled)

    record = await runner.record(submitted.id)
    assert (record.status, record.attempt, record.reason) == (Status.FAILED, 1, "unknown")
    assert record.attempts[0].outcome is OutcomeKind.TIMEOUT
    assert (record.error or "").endswith("whether the target acted on it is not known.")
    letter = await runner.store.dead_letter(submitted.id)
    assert letter is not None
    assert (letter.reason, letter.outcome) == ("unknown", OutcomeKind.TIMEOUT)

    await runner.requeue.requeue(submitted.id)
    await runner.heard(TaskSettled, 2)
    assert (await runner.record(submitted.id)).reason is None


async def test_a_throttled_attempt_uses_up_nothing(runner: LocalRunner) -> None:
    """A task of a single attempt is throttled twice and then succeeds."""
    throttled = replace(OK, rule=0, retry_after=5.0)
    runner.target.script(throttled, throttled, OK)
    await runner.consumer()
    submitted = await runner.submit(max_attempts=1, rules=[{"when": {"status": 200}, "then": "throttle"}])
    for told in (1, 2):
        await runner.heard(TaskSettled, told)
        # What it says of the host is written beside the task: the clock must not overtake that.
        await runner.heard(HostSlowedDown, told)
        assert await runner.status(submitted.id) is Status.RETRYING
        await runner.later(5.1)
    await runner.heard(TaskSettled, 3)

    record = await runner.record(submitted.id)
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 3)
    assert [attempt.counted for attempt in record.attempts] == [False, False, True]


async def test_a_failed_task_is_a_dead_letter_and_can_be_requeued(runner: LocalRunner) -> None:
    """Requeued it has as many attempts again, and keeps its history."""
    runner.target.script(http_error(500), http_error(500), OK)
    await runner.consumer()
    submitted = await runner.submit(max_attempts=2, retry={"strategy": "constant", "base": 0})
    await runner.heard(TaskSettled)
    await runner.later(0)
    await runner.heard(TaskSettled, 2)
    assert await runner.status(submitted.id) is Status.FAILED
    (letter,) = (await runner.store.list_dead_letters(limit=10, cursor=None)).items
    assert (letter.id, letter.kind) == (submitted.id, DeadLetterKind.TASK)

    assert await runner.requeue.requeue(submitted.id) == submitted.id
    await runner.heard(TaskSettled, 3)
    record = await runner.record(submitted.id)
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 3, 4)
    assert [attempt.status_code for attempt in record.attempts] == [500, 500, 200]
    assert not (await runner.store.list_dead_letters(limit=10, cursor=None)).items


async def test_what_is_no_dead_letter_cannot_be_requeued(runner: LocalRunner) -> None:
    """An unknown id and a succeeded task are told apart from success."""
    await runner.consumer()
    submitted = await runner.submit()
    await runner.heard(TaskSettled)
    for letter_id in ("nobody", submitted.id):
        with pytest.raises((TaskUnknown, StateConflict)):
            await runner.requeue.requeue(letter_id)


async def test_a_backlog_in_several_queues_is_worked_off(runner: LocalRunner) -> None:
    """What waits here of one queue is not forgotten when another queue's delivery comes."""
    ids = [(await runner.submit(priority=queue)).id for queue in ("low", "high", "medium") * 5]
    await runner.consumer(workers=1)
    await runner.heard(TaskSettled, len(ids))
    assert {await runner.status(task_id) for task_id in ids} == {Status.SUCCEEDED}


async def test_submits_while_the_broker_is_away_are_published_later(runner: LocalRunner) -> None:
    """The task is accepted; the relay publishes it when the broker is back."""
    await runner.consumer()
    runner.broker.disconnect()
    submitted = await runner.submit()
    assert (submitted.created, submitted.published) == (True, False)
    await runner.later(HOLD)
    assert await runner.status(submitted.id) is Status.SCHEDULED
    runner.broker.reconnect()
    await runner.later(0)
    await runner.heard(TaskSettled)
    assert runner.target.runs(submitted.id) == 1


async def test_tasks_of_an_outage_run_as_soon_as_it_is_over(runner: LocalRunner) -> None:
    """Once we know that the broker is away, nothing is left to a fast path that there is not."""
    await runner.consumer()
    runner.broker.disconnect()
    await runner.submit()
    submitted = await runner.submit()
    runner.broker.reconnect()
    await runner.later(0)
    await runner.until(
        lambda: submitted.id in {event.task.id for event in runner.told(TaskSettled)}, "it is settled"
    )
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_a_task_that_the_broker_forgot_is_published_again(runner: LocalRunner) -> None:
    """A purged queue is refilled from the store."""
    submitted = await runner.submit()
    assert runner.broker.lose("medium") == 1
    await runner.consumer()
    await runner.later(FORGOTTEN)
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_a_task_that_waits_its_turn_is_not_published_again(runner: LocalRunner) -> None:
    """As long as its queue is not empty, a queued task is only looked at again later."""
    await runner.submit()
    await runner.later(FORGOTTEN)
    assert (await runner.broker.depths())["medium"] == 1
    await runner.later(FORGOTTEN)
    assert (await runner.broker.depths())["medium"] == 1


async def test_an_idempotency_key_counts_once(runner: LocalRunner) -> None:
    """A hundred submits under one key are one task; another request under it is refused."""
    await runner.consumer()
    draft = TaskDraft.from_fields({"url": "http://target.test/"}, TaskLimits())
    answers = await asyncio.gather(*(runner.intake.submit(draft, idempotency_key="k") for _ in range(100)))
    assert len({answer.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    other = TaskDraft.from_fields({"url": "http://target.test/other"}, TaskLimits())
    with pytest.raises(StateConflict, match="Idempotency-Key"):
        await runner.intake.submit(other, idempotency_key="k")
    await runner.heard(TaskSettled)
    assert len(runner.target.ledger) == 1


async def test_of_two_tasks_with_one_id_in_a_batch_the_first_counts(runner: LocalRunner) -> None:
    """The second is not published either: its envelope could win the race for the first one's claim."""
    drafts = [
        TaskDraft.from_fields({"id": "twin", "url": f"http://target.test/{name}"}, TaskLimits())
        for name in "ab"
    ]
    submitted = await runner.intake.submit_many([runner.intake.prepare(draft) for draft in drafts])
    assert [(each.created, each.published) for each in submitted] == [(True, True), (False, False)]
    assert sum((await runner.broker.depths()).values()) == 1
    assert (await runner.record("twin")).task.url == "http://target.test/a"


@pytest.mark.parametrize(
    ("given", "line", "expected"),
    [
        ({"delay": 3600}, {"run_at": "2026-01-02T00:00:00Z"}, ("2026-01-02T00:00:00+00:00", None)),
        ({"delay": 3600}, {"delay": 60}, ("2026-01-01T12:01:00+00:00", None)),
        ({"delay": 3600}, {}, ("2026-01-01T13:00:00+00:00", None)),
        ({"body": "a"}, {"body_base64": "Yg==", "delay": 60}, ("2026-01-01T12:01:00+00:00", b"b")),
    ],
)
async def test_what_a_line_says_itself_wins(
    runner: LocalRunner, given: dict[str, object], line: dict[str, object], expected: tuple[str, bytes | None]
) -> None:
    """Also where it says the same thing in another field than the command line did."""
    base = TaskDraft.from_fields({"url": "http://target.test/", **given}, TaskLimits())
    raw = json.dumps({"url": "http://target.test/line", **line}).encode()
    batches = [done async for done in BatchSubmit(runner.intake, base, patience=1).submit([raw])]
    (submitted,) = batches[0].submitted
    task = (await runner.record(submitted.id)).task
    assert task.run_at is not None
    assert (task.run_at.isoformat(), task.content) == expected


async def test_the_holder_of_a_dedup_key_is_deleted_meanwhile(runner: LocalRunner) -> None:
    """The refusal says what to do: nothing was accepted for this request, and the key is free."""
    dedup = {"key": "k"}
    await runner.submit(id="holder", dedup=dedup)
    fields = {"id": "next", "url": "http://target.test/", "dedup": dedup}
    batch = [runner.intake.prepare(TaskDraft.from_fields(fields, TaskLimits()))]
    answers = await runner.intake.accept(batch)
    await runner.store.delete(["holder"], now=runner.clock.now(), retention=60.0)
    (submitted,) = await runner.intake.complete(batch, answers)
    assert str(submitted.refusal) == "task holder, which held the dedup key, is gone; submit again"
    (again,) = await runner.intake.submit_many(batch)
    assert again.created
