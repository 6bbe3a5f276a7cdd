"""Messages that other clients publish: tasks are adopted, anything else becomes a dead letter."""

import json

import pytest

from taskrunner.brokers.base import Publication
from taskrunner.domain.errors import StateConflict
from taskrunner.domain.events import (
    DeadLetterCollected,
    DeliveryDropped,
    MessageRejected,
    TaskAdopted,
    TaskSettled,
)
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.status import Status
from taskrunner.handlers.base import AttemptContext
from tests.flow.local_runner import OK, LocalRunner, http_error


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
async def test_garbage_becomes_a_dead_letter_with_its_bytes(runner: LocalRunner, raw: bytes) -> None:
    """It goes through the dead letter exchange into the store, and the consumer goes on."""
    runner.collect()
    await runner.consumer()
    await runner.broker.publish([Publication(queue="high", body=raw, task_id="")])
    await runner.heard(DeadLetterCollected)
    (listed,) = (await runner.store.list_dead_letters(limit=10, cursor=None)).items
    letter = await runner.store.dead_letter(listed.id)
    assert letter is not None
    assert (letter.kind, letter.raw, letter.reason) == (DeadLetterKind.MESSAGE, raw, "rejected")
    assert letter.error
    assert len(runner.told(MessageRejected)) == 1
    with pytest.raises(StateConflict, match="unreadable"):
        await runner.requeue.requeue(letter.id)
    submitted = await runner.submit()
    await runner.heard(TaskSettled)
    assert await runner.status(submitted.id) is Status.SUCCEEDED


async def test_a_foreign_message_is_requeued_into_its_queue_and_once(runner: LocalRunner) -> None:
    """Two requests at the same time, or one that died half-way and its repetition, make one task."""
    letter = DeadLetter(
        id="message-1",
        kind=DeadLetterKind.MESSAGE,
        reason="delivery_limit",
        error=None,
        died_at=runner.clock.now(),
        queue="high",
        raw=b'{"url":"http://target.test/"}',
    )
    ids = set()
    for _ in range(2):
        await runner.store.add_dead_messages([letter], retention=1000)
        ids.add(await runner.requeue.requeue(letter.id))
    (task_id,) = ids
    assert (await runner.record(task_id)).task.queue == "high"
    assert sum((await runner.store.counts()).values()) == 1


async def test_a_foreign_message_becomes_a_task(runner: LocalRunner) -> None:
    """`{"url": …}` by any AMQP client is adopted, in the queue that it came from, by the message id."""
    await runner.consumer()
    body = b'{"url":"http://target.test/foreign","colour":"blue"}'
    await runner.broker.publish([Publication(queue="low", body=body, task_id="order-7")])
    await runner.heard(TaskSettled)
    record = await runner.record("order-7")
    assert (record.status, record.task.queue) == (Status.SUCCEEDED, "low")
    assert len(runner.told(TaskAdopted)) == 1


async def test_a_foreign_message_sent_twice_is_one_task(runner: LocalRunner) -> None:
    """The second says nothing new."""
    await runner.consumer()
    publication = Publication(queue="low", body=b'{"url":"http://target.test/"}', task_id="order-7")
    await runner.broker.publish([publication])
    await runner.heard(TaskSettled)
    await runner.broker.publish([publication])
    await runner.heard(DeliveryDropped)
    assert runner.target.runs("order-7") == 1


@pytest.mark.parametrize("when", ["waiting", "delayed", "retrying"])
async def test_a_foreign_message_with_a_known_id_changes_nothing(runner: LocalRunner, when: str) -> None:
    """What is fetched under an id is what its record says, not what somebody sent under the same id."""
    fetched: list[str | None] = []

    def answer(context: AttemptContext) -> Outcome:
        fetched.append(context.task.url)
        return OK if len(fetched) > 1 or when != "retrying" else http_error(503)

    runner.target.answer = answer
    mine = (await runner.submit("http://target.test/mine", **({"delay": 60} if when == "delayed" else {}))).id
    foreign = Publication(queue="high", body=b'{"url":"http://target.test/theirs"}', task_id=mine)
    if when == "retrying":
        await runner.consumer()
        await runner.heard(TaskSettled)
        await runner.broker.publish([foreign])
    else:
        await runner.broker.publish([foreign])
        await runner.consumer()
    (dropped,) = await runner.heard(DeliveryDropped)
    assert (dropped.task_id, dropped.reason) == (mine, "known")
    await runner.until(lambda: when != "waiting" or bool(runner.told(TaskSettled)), "it ran")
    if when != "waiting":
        await runner.later(60)
        await runner.heard(TaskSettled, 2 if when == "retrying" else 1)
    assert set(fetched) == {"http://target.test/mine"}
    assert (await runner.record(mine)).status is Status.SUCCEEDED


async def test_a_foreign_message_may_be_delayed(runner: LocalRunner) -> None:
    """Its record waits in the store; the message itself is acked."""
    await runner.consumer()
    body = b'{"id":"later","url":"http://target.test/","delay":60}'
    await runner.broker.publish([Publication(queue="low", body=body, task_id="")])
    await runner.heard(DeliveryDropped)
    assert await runner.status("later") is Status.SCHEDULED
    await runner.later(60)
    await runner.heard(TaskSettled)
    assert await runner.status("later") is Status.SUCCEEDED
