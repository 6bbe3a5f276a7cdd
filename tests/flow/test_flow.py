"""Tasks on their way through the whole flow: the good way, retries, refusals, dead letters."""

import asyncio
import json
from dataclasses import replace

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.draft import Draft
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.events import (
    DeadLetterCollected,
    DeliveryDropped,
    HostSlowedDown,
    MessageRejected,
    TaskAdopted,
    TaskSettled,
)
from taskrunner.domain.limits import Limits
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.record import DeadLetter, DeadLetterKind
from taskrunner.domain.status import Status
from taskrunner.domain.task import Lane
from taskrunner.handlers.base import Attempting
from taskrunner.producer.bulk import Bulk
from tests.flow.house import FORGOTTEN, HOLD, OK, House, http_error


async def test_a_task_succeeds(house: House) -> None:
    """It is fetched once, and its record holds the attempt, the result and the body."""
    await house.consumer()
    submitted = await house.submit()
    assert submitted.published
    await house.heard(TaskSettled)
    record = await house.record(submitted.id)
    assert (record.status, record.attempt, record.due) == (Status.SUCCEEDED, 1, None)
    assert record.attempts[0].outcome is OutcomeKind.OK
    assert record.result is not None
    assert record.result.status == 200
    assert await house.store.body(submitted.id) == b"fine"
    assert house.target.runs(submitted.id) == 1


async def test_a_delayed_task_waits_for_its_time(house: House) -> None:
    """Nothing of it is in the broker before."""
    await house.consumer()
    submitted = await house.submit(delay=60)
    assert not submitted.published
    await house.later(59)
    assert (await house.status(submitted.id), house.target.ledger) == (Status.SCHEDULED, [])
    await house.later(1)
    await house.heard(TaskSettled)
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_a_failed_attempt_is_retried_after_its_delay(house: House) -> None:
    """The second attempt is published by the relay when it is due, not before."""
    house.target.script(http_error(503), OK)
    await house.consumer()
    submitted = await house.submit(retry={"strategy": "constant", "base": 5, "jitter": 0})
    await house.heard(TaskSettled)
    assert await house.status(submitted.id) is Status.RETRYING
    await house.later(4.9)
    assert len(house.target.ledger) == 1
    await house.later(0.2)
    await house.heard(TaskSettled, 2)
    record = await house.record(submitted.id)
    assert [attempt.status_code for attempt in record.attempts] == [503, 200]
    assert record.status is Status.SUCCEEDED
    assert record.error is None


async def test_retry_after_is_the_floor_of_the_delay(house: House) -> None:
    """The target's wish counts where it is longer than our own delay."""
    house.target.script(http_error(429, retry_after=120), OK)
    await house.consumer()
    submitted = await house.submit(retry={"strategy": "constant", "base": 1})
    await house.heard(TaskSettled)
    await house.later(119)
    assert await house.status(submitted.id) is Status.RETRYING
    await house.later(1)
    await house.heard(TaskSettled, 2)
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_a_refusal_is_not_retried(house: House) -> None:
    """404 is an answer: the task fails with its attempts left."""
    house.target.script(http_error(404))
    await house.consumer()
    submitted = await house.submit()
    await house.heard(TaskSettled)
    record = await house.record(submitted.id)
    assert (record.status, record.attempt, record.error) == (Status.FAILED, 1, "the target answered 404")


async def test_a_post_that_may_have_acted_fails_as_unknown(house: House) -> None:
    """It is not sent again; record and dead letter tell why, and somebody who knows may requeue it."""
    house.target.script(Outcome(kind=OutcomeKind.TIMEOUT, error="Timed out."), OK)
    await house.consumer()
    submitted = await house.submit(method="POST")
    await house.heard(TaskSettled)

    record = await house.record(submitted.id)
    assert (record.status, record.attempt, record.reason) == (Status.FAILED, 1, "unknown")
    assert record.attempts[0].outcome is OutcomeKind.TIMEOUT
    assert (record.error or "").endswith("whether the target acted on it is not known.")
    letter = await house.store.dead_letter(submitted.id)
    assert letter is not None
    assert (letter.reason, letter.outcome) == ("unknown", OutcomeKind.TIMEOUT)

    await house.revival.requeue(submitted.id)
    await house.heard(TaskSettled, 2)
    assert (await house.record(submitted.id)).reason is None


async def test_a_throttled_attempt_uses_up_nothing(house: House) -> None:
    """A task of a single attempt is throttled twice and then succeeds."""
    throttled = replace(OK, rule=0, retry_after=5.0)
    house.target.script(throttled, throttled, OK)
    await house.consumer()
    submitted = await house.submit(max_attempts=1, rules=[{"when": {"status": 200}, "then": "throttle"}])
    for told in (1, 2):
        await house.heard(TaskSettled, told)
        # What it says of the host is written beside the task: the clock must not overtake that.
        await house.heard(HostSlowedDown, told)
        assert await house.status(submitted.id) is Status.RETRYING
        await house.later(5.1)
    await house.heard(TaskSettled, 3)

    record = await house.record(submitted.id)
    assert (record.status, record.attempt) == (Status.SUCCEEDED, 3)
    assert [attempt.counted for attempt in record.attempts] == [False, False, True]


async def test_a_failed_task_is_a_dead_letter_and_can_be_requeued(house: House) -> None:
    """Requeued it has as many attempts again, and keeps its history."""
    house.target.script(http_error(500), http_error(500), OK)
    await house.consumer()
    submitted = await house.submit(max_attempts=2, retry={"strategy": "constant", "base": 0})
    await house.heard(TaskSettled)
    await house.later(0)
    await house.heard(TaskSettled, 2)
    assert await house.status(submitted.id) is Status.FAILED
    (letter,) = (await house.store.list_dead_letters(limit=10, cursor=None)).items
    assert (letter.id, letter.kind) == (submitted.id, DeadLetterKind.TASK)

    assert await house.revival.requeue(submitted.id) == submitted.id
    await house.heard(TaskSettled, 3)
    record = await house.record(submitted.id)
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 3, 4)
    assert [attempt.status_code for attempt in record.attempts] == [500, 500, 200]
    assert not (await house.store.list_dead_letters(limit=10, cursor=None)).items


async def test_what_is_no_dead_letter_cannot_be_requeued(house: House) -> None:
    """An unknown id and a succeeded task are told apart from success."""
    await house.consumer()
    submitted = await house.submit()
    await house.heard(TaskSettled)
    for letter_id in ("nobody", submitted.id):
        with pytest.raises((TaskUnknown, StateConflict)):
            await house.revival.requeue(letter_id)


def ours(attempt: object, **members: object) -> bytes:
    """What looks like an envelope of ours, with odd members."""
    retry = {"strategy": "constant", "base": 1, "cap": 1, "jitter": 0, "delays": []}
    task = {"id": "x", "url": "http://h/", "timeout": 1, "max_attempts": 1, "retry": retry}
    made = {"created_at": "2026-01-01T00:00:00Z", **members}
    return json.dumps({"v": 1, "attempt": attempt, "task": {**task, **made}}, separators=(",", ":")).encode()


GARBAGE = [
    b"",
    b"garbage",
    b"[]",
    b'{"v":1}',
    b'{"url":"ftp://x/"}',
    b"\xff\xfe",
    b"{" * 5000,
    b'{"url":"http://h/","retry":{"base":9999}}',
    b'{"url":"http://h/","run_at":"9998-01-01T00:00:00Z"}',
    b'{"url":"http://h/","headers":null,"labels":[],"timeout":"1","delay":true}',
    ours(10**30),
    ours(-1),
    ours(1, max_attempts=10**30),
    ours(1, timeout=float("nan")),
    ours(1, created_at="2026-01-01T00:00:00"),
    ours(1, run_at="9999-12-31T23:59:59-14:00"),
    ours(1, body_base64="?"),
]


@pytest.mark.parametrize("raw", GARBAGE)
async def test_garbage_becomes_a_dead_letter_with_its_bytes(house: House, raw: bytes) -> None:
    """It goes through the dead letter exchange into the store, and the consumer goes on."""
    house.collect()
    await house.consumer()
    await house.broker.publish([Publication(lane=Lane.HIGH, body=raw, task_id="")])
    await house.heard(DeadLetterCollected)
    (listed,) = (await house.store.list_dead_letters(limit=10, cursor=None)).items
    letter = await house.store.dead_letter(listed.id)
    assert letter is not None
    assert (letter.kind, letter.raw, letter.reason) == (DeadLetterKind.MESSAGE, raw, "rejected")
    assert letter.error
    assert len(house.told(MessageRejected)) == 1
    with pytest.raises(StateConflict, match="unreadable"):
        await house.revival.requeue(letter.id)
    submitted = await house.submit()
    await house.heard(TaskSettled)
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_a_foreign_message_is_requeued_into_its_lane_and_once(house: House) -> None:
    """Two requests at the same time, or one that died half-way and its repetition, make one task."""
    letter = DeadLetter(
        id="message-1",
        kind=DeadLetterKind.MESSAGE,
        reason="delivery_limit",
        error=None,
        died_at=house.clock.now(),
        lane=Lane.HIGH,
        raw=b'{"url":"http://target.test/"}',
    )
    ids = set()
    for _ in range(2):
        await house.store.bury([letter], keep=1000)
        ids.add(await house.revival.requeue(letter.id))
    (task_id,) = ids
    assert (await house.record(task_id)).task.lane is Lane.HIGH
    assert sum((await house.store.counts()).values()) == 1


async def test_a_foreign_message_becomes_a_task(house: House) -> None:
    """`{"url": …}` by any AMQP client is adopted, with the lane's priority and the message id as its id."""
    await house.consumer()
    body = b'{"url":"http://target.test/foreign","colour":"blue"}'
    await house.broker.publish([Publication(lane=Lane.LOW, body=body, task_id="order-7")])
    await house.heard(TaskSettled)
    record = await house.record("order-7")
    assert (record.status, record.task.lane) == (Status.SUCCEEDED, Lane.LOW)
    assert len(house.told(TaskAdopted)) == 1


async def test_a_foreign_message_sent_twice_is_one_task(house: House) -> None:
    """The second says nothing new."""
    await house.consumer()
    publication = Publication(lane=Lane.LOW, body=b'{"url":"http://target.test/"}', task_id="order-7")
    await house.broker.publish([publication])
    await house.heard(TaskSettled)
    await house.broker.publish([publication])
    await house.heard(DeliveryDropped)
    assert house.target.runs("order-7") == 1


@pytest.mark.parametrize("when", ["waiting", "delayed", "retrying"])
async def test_a_foreign_message_with_a_known_id_changes_nothing(house: House, when: str) -> None:
    """What is fetched under an id is what its record says, not what somebody sent under the same id."""
    fetched: list[str] = []

    def answer(attempting: Attempting) -> Outcome:
        fetched.append(attempting.task.url)
        return OK if len(fetched) > 1 or when != "retrying" else http_error(503)

    house.target.answer = answer
    mine = (await house.submit("http://target.test/mine", **({"delay": 60} if when == "delayed" else {}))).id
    foreign = Publication(lane=Lane.HIGH, body=b'{"url":"http://target.test/theirs"}', task_id=mine)
    if when == "retrying":
        await house.consumer()
        await house.heard(TaskSettled)
        await house.broker.publish([foreign])
    else:
        await house.broker.publish([foreign])
        await house.consumer()
    (dropped,) = await house.heard(DeliveryDropped)
    assert (dropped.task_id, dropped.reason) == (mine, "known")
    await house.until(lambda: when != "waiting" or bool(house.told(TaskSettled)), "it ran")
    if when != "waiting":
        await house.later(60)
        await house.heard(TaskSettled, 2 if when == "retrying" else 1)
    assert set(fetched) == {"http://target.test/mine"}
    assert (await house.record(mine)).status is Status.SUCCEEDED


async def test_a_foreign_message_may_be_delayed(house: House) -> None:
    """Its record waits in the store; the message itself is acked."""
    await house.consumer()
    body = b'{"id":"later","url":"http://target.test/","delay":60}'
    await house.broker.publish([Publication(lane=Lane.LOW, body=body, task_id="")])
    await house.heard(DeliveryDropped)
    assert await house.status("later") is Status.SCHEDULED
    await house.later(60)
    await house.heard(TaskSettled)
    assert await house.status("later") is Status.SUCCEEDED


async def test_a_backlog_in_several_lanes_is_worked_off(house: House) -> None:
    """What waits here of one lane is not forgotten when another lane's delivery comes."""
    ids = [(await house.submit(priority=lane)).id for lane in ("low", "high", "medium") * 5]
    await house.consumer(workers=1)
    await house.heard(TaskSettled, len(ids))
    assert {await house.status(task_id) for task_id in ids} == {Status.SUCCEEDED}


async def test_submits_while_the_broker_is_away_are_published_later(house: House) -> None:
    """The task is accepted; the relay publishes it when the broker is back."""
    await house.consumer()
    house.broker.disconnect()
    submitted = await house.submit()
    assert (submitted.created, submitted.published) == (True, False)
    await house.later(HOLD)
    assert await house.status(submitted.id) is Status.SCHEDULED
    house.broker.reconnect()
    await house.later(0)
    await house.heard(TaskSettled)
    assert house.target.runs(submitted.id) == 1


async def test_tasks_of_an_outage_run_as_soon_as_it_is_over(house: House) -> None:
    """Once we know that the broker is away, nothing is left to a fast path that there is not."""
    await house.consumer()
    house.broker.disconnect()
    await house.submit()
    submitted = await house.submit()
    house.broker.reconnect()
    await house.later(0)
    await house.until(
        lambda: submitted.id in {event.task.id for event in house.told(TaskSettled)}, "it is settled"
    )
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_a_task_that_the_broker_forgot_is_published_again(house: House) -> None:
    """A purged lane is refilled from the store."""
    submitted = await house.submit()
    assert house.broker.lose(Lane.MEDIUM) == 1
    await house.consumer()
    await house.later(FORGOTTEN)
    await house.heard(TaskSettled)
    assert await house.status(submitted.id) is Status.SUCCEEDED


async def test_a_task_that_waits_its_turn_is_not_published_again(house: House) -> None:
    """As long as its lane is not empty, a queued task is only looked at again later."""
    await house.submit()
    await house.later(FORGOTTEN)
    assert (await house.broker.depths())[Lane.MEDIUM] == 1
    await house.later(FORGOTTEN)
    assert (await house.broker.depths())[Lane.MEDIUM] == 1


async def test_an_idempotency_key_counts_once(house: House) -> None:
    """A hundred submits under one key are one task; another request under it is refused."""
    await house.consumer()
    draft = Draft.from_fields({"url": "http://target.test/"}, Limits())
    answers = await asyncio.gather(*(house.intake.submit(draft, idempotency_key="k") for _ in range(100)))
    assert len({answer.id for answer in answers}) == 1
    assert sum(answer.created for answer in answers) == 1
    other = Draft.from_fields({"url": "http://target.test/other"}, Limits())
    with pytest.raises(StateConflict, match="Idempotency-Key"):
        await house.intake.submit(other, idempotency_key="k")
    await house.heard(TaskSettled)
    assert len(house.target.ledger) == 1


async def test_of_two_tasks_with_one_id_in_a_batch_the_first_counts(house: House) -> None:
    """The second is not published either: its envelope could win the race for the first one's claim."""
    drafts = [
        Draft.from_fields({"id": "twin", "url": f"http://target.test/{name}"}, Limits()) for name in "ab"
    ]
    submitted = await house.intake.submit_many([house.intake.prepare(draft) for draft in drafts])
    assert [(each.created, each.published) for each in submitted] == [(True, True), (False, False)]
    assert sum((await house.broker.depths()).values()) == 1
    assert (await house.record("twin")).task.url == "http://target.test/a"


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
    house: House, given: dict[str, object], line: dict[str, object], expected: tuple[str, bytes | None]
) -> None:
    """Also where it says the same thing in another field than the command line did."""
    base = Draft.from_fields({"url": "http://target.test/", **given}, Limits())
    raw = json.dumps({"url": "http://target.test/line", **line}).encode()
    batches = [done async for done in Bulk(house.intake, base, patience=1).submit([raw])]
    (submitted,) = batches[0].submitted
    task = (await house.record(submitted.id)).task
    assert task.run_at is not None
    assert (task.run_at.isoformat(), task.content) == expected
