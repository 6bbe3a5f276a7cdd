"""Attempts: who may start one, what the record shows of it, and what its end leaves behind."""

from datetime import timedelta

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind, Response
from taskrunner.domain.tasks.progress import Progress
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import ClaimAnswer, Claimed, Store
from tests.contract.stores.changes import snooze_until
from tests.contract.stores.harness import (
    CONSUMER,
    DAY,
    KEEP,
    NOW,
    RESPONSE,
    bring,
    claim,
    ended,
    entries,
    entry,
    fetch,
    ref,
    settle,
    settling,
)


async def test_a_running_attempt_shows_in_the_record(store: Store) -> None:
    """Who runs it and since when can be seen before it ends."""
    task_id = await bring(store, Status.QUEUED)
    (answer,) = await claim(store, [ref(task_id)])
    record = await fetch(store, task_id)
    assert answer == Claimed(answer=ClaimAnswer.CLAIMED, attempt_limit=3)
    assert record.attempts == (Attempt(number=1, started_at=NOW, consumer=CONSUMER),)


async def test_another_consumer_finds_the_attempt_held(store: Store) -> None:
    """A delivery that was doubled does not run twice."""
    task_id = await bring(store, Status.RUNNING)
    before = await fetch(store, task_id)
    (answer,) = await claim(store, [ref(task_id)], consumer="other:2:bbbb")
    assert answer.answer is ClaimAnswer.HELD
    assert await fetch(store, task_id) == before


async def test_a_claim_repeated_by_its_consumer_is_answered_as_before(store: Store) -> None:
    """A consumer that did not hear the answer may ask again, and gets the attempt."""
    task_id = await bring(store, Status.QUEUED)
    answers = [await claim(store, [ref(task_id)]) for _ in range(2)]
    assert answers[0] == answers[1]


async def test_an_attempt_twice_in_a_batch_is_claimed_once(store: Store) -> None:
    """A delivery that was doubled does not run twice, even when both come at once."""
    task_id = await bring(store, Status.QUEUED)
    answers = await claim(store, [ref(task_id), ref("nobody"), ref(task_id)])
    assert [answer.answer for answer in answers] == [
        ClaimAnswer.CLAIMED,
        ClaimAnswer.UNKNOWN,
        ClaimAnswer.HELD,
    ]


async def test_the_end_replaces_the_running_line(store: Store) -> None:
    """The record has one line per attempt, as the settlement gave it."""
    task_id = await bring(store, Status.RUNNING)
    attempt = ended(1, outcome=OutcomeKind.HTTP_ERROR, status_code=503, error='"quoted"\n ü')
    await settle(store, settling(task_id, 1, Status.RETRYING, attempt=attempt, error="503"))
    record = await fetch(store, task_id)
    assert record.attempts == (attempt,)
    assert record.error == "503"


async def test_an_attempt_twice_in_a_batch_ends_once(store: Store) -> None:
    """The first settlement counts."""
    task_id = await bring(store, Status.RUNNING)
    items = [settling(task_id, 1, status) for status in (Status.SUCCEEDED, Status.FAILED)]
    assert list(await store.settle(items, now=NOW)) == [True, False]
    assert (await fetch(store, task_id)).status is Status.SUCCEEDED


async def test_a_late_end_does_not_touch_the_next_attempt(store: Store) -> None:
    """A hung attempt whose lease ran out cannot overwrite the one that took its place."""
    task_id = await bring(store, Status.RETRYING)
    await claim(store, [ref(task_id, 2)], consumer="other:2:bbbb")
    before = await fetch(store, task_id)
    assert not await settle(store, settling(task_id, 1, Status.SUCCEEDED))
    assert list(await store.renew([ref(task_id, 1)], lease_until=NOW)) == [False]
    assert await fetch(store, task_id) == before


async def test_an_attempt_that_does_not_count_moves_the_limit(store: Store) -> None:
    """A fault of ours does not use up the task's attempts."""
    task_id = await bring(store, Status.RUNNING)
    attempt = ended(1, outcome=OutcomeKind.INTERRUPTED, counted=False)
    await settle(store, settling(task_id, 1, Status.RETRYING, attempt=attempt))
    assert (await fetch(store, task_id)).attempt_limit == 4


async def test_an_attempt_whose_handler_puts_the_task_off_is_a_snooze(store: Store) -> None:
    """It is counted once, says why, and nothing of it is left once the task has moved on."""
    task_id = await bring(store, Status.QUEUED)
    await store.snooze([snooze_until(task_id, 1, NOW, "a.test: rate limit")], now=NOW)
    for number, why in ((1, "sold out"), (2, "still sold out")):
        await claim(store, [ref(task_id, number)])
        attempt = ended(number, outcome=OutcomeKind.SNOOZED, counted=False)
        end = settling(task_id, number, Status.SCHEDULED, attempt=attempt, waits_for=why)
        assert await store.settle([end, end], now=NOW) == [True, False]
        record = await fetch(store, task_id)
        assert (record.status, record.snoozes, record.waits_for) == (Status.SCHEDULED, 1 + number, why)
        assert (record.due, record.attempt_limit) == (end.due, 3 + number)
    (due,) = await store.take_due(now=NOW + DAY, limit=9, hold=5)
    assert (due.id, due.status, due.attempt, due.snoozes) == (task_id, Status.SCHEDULED, 2, 3)
    await store.mark_queued([replace(ref(task_id, 3), snoozes=3)], now=NOW, due=NOW + DAY)
    record = await fetch(store, task_id)
    assert (record.status, record.snoozes, record.waits_for) == (Status.QUEUED, 3, None)


async def test_a_result_can_be_read_with_its_body_apart(store: Store) -> None:
    """The record holds everything but the body, and the body is the bytes that came."""
    task_id = await bring(store, Status.SUCCEEDED)
    record = await fetch(store, task_id)
    assert record.result == replace(RESPONSE, body=b"")
    assert await store.body(task_id) == b"hello\x00world"


async def test_an_empty_body_is_a_body(store: Store) -> None:
    """A target that answers nothing is told from a task without an answer."""
    task_id = await bring(store, Status.RUNNING)
    await settle(store, settling(task_id, 1, Status.SUCCEEDED, result=Response(status=204)))
    assert await store.body(task_id) == b""


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.FAILED])
async def test_no_body_without_a_result(store: Store, status: Status) -> None:
    """There is nothing to read before an answer came."""
    assert await store.body(await bring(store, status)) is None
    assert await store.body("nobody") is None


async def test_a_result_is_that_of_the_last_attempt(store: Store) -> None:
    """An attempt without an answer leaves neither the result, the body nor the error of the one before."""
    task_id = await bring(store, Status.RUNNING)
    await settle(store, settling(task_id, 1, Status.RETRYING, result=RESPONSE))
    assert (await fetch(store, task_id)).result is not None
    await claim(store, [ref(task_id, 2)])
    await settle(store, settling(task_id, 2, Status.CANCELLED, result=None, error=None))
    record = await fetch(store, task_id)
    assert (record.result, record.error) == (None, None)
    assert await store.body(task_id) is None


async def test_texts_that_utf8_cannot_hold_do_not_spoil_the_batch(store: Store) -> None:
    """A header or an error with half a surrogate pair is kept with a question mark in its place."""
    odd, sound = [await bring(store, Status.RUNNING) for _ in range(2)]
    response = replace(RESPONSE, headers=(("x", "a\ud800b"),))
    items = [
        settling(odd, 1, Status.FAILED, result=response, error="bad \udfff", attempt=ended(error="\ud800")),
        settling(sound, 1, Status.SUCCEEDED),
    ]
    assert list(await store.settle(items, now=NOW)) == [True, True]
    record = await fetch(store, odd)
    assert record.result is not None
    assert (record.result.headers, record.error) == ((("x", "a?b"),), "bad ?")


async def test_a_large_body_in_a_batch(store: Store) -> None:
    """Bodies of a MiB each do not stop a batch."""
    tasks = entries(20)
    await store.accept(tasks)
    await claim(store, [ref(new.id) for new in tasks])
    body = bytes(range(256)) * 4096
    items = [settling(new.id, 1, Status.SUCCEEDED, result=Response(status=200, body=body)) for new in tasks]
    assert all(await store.settle(items, now=NOW))
    assert await store.body(tasks[-1].id) == body


@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_whole_batches_go_through_the_flow(store: Store, size: int) -> None:
    """Every step takes none, one or a thousand, and answers in order."""
    tasks = entries(size)
    refs = [ref(new.id) for new in tasks]
    await store.accept(tasks)
    await store.mark_queued(refs, now=NOW, due=NOW + timedelta(seconds=60))
    await store.postpone(refs, due=NOW + timedelta(seconds=90))
    assert [answer.answer for answer in await claim(store, refs)] == [ClaimAnswer.CLAIMED] * size
    assert list(await store.renew(refs, lease_until=NOW)) == [True] * size
    ends = [settling(new.id, 1, Status.FAILED) for new in tasks]
    assert list(await store.settle(ends, now=NOW)) == [True] * size
    requeued = await store.requeue([new.id for new in tasks], now=NOW, due=NOW)
    assert [due.id for due in requeued if due] == [new.id for new in tasks]
    again = [ref(new.id, 2) for new in tasks]
    failed = await store.fail(again, now=NOW, reason="r", error="e", retention=KEEP)
    assert list(failed) == [True] * size
    assert (await store.counts())[Status.FAILED] == size
    assert list(await store.still_running(again)) == [False] * size
    assert list(await store.cancel(again, now=NOW, error="e", retention=KEEP)) == [False] * size
    deleted = await store.delete([new.id for new in tasks], now=NOW, retention=KEEP, status=Status.FAILED)
    assert list(deleted) == [True] * size
    assert (await store.counts())[Status.FAILED] == 0


async def test_a_task_twice_in_a_batch_is_failed_and_requeued_once(store: Store) -> None:
    """A batch behaves as its items one after the other."""
    new = entry()
    await store.accept([new])
    failed = await store.fail([ref(new.id)] * 2, now=NOW, reason="r", error="e", retention=KEEP)
    assert list(failed) == [True, False]
    requeued = await store.requeue([new.id, "nobody", new.id], now=NOW, due=NOW)
    assert [due is not None for due in requeued] == [True, False, False]


async def test_a_running_attempt_shows_its_progress(store: Store) -> None:
    """What it said last, while it runs; a renewal without news changes nothing of it."""
    task_id = await bring(store, Status.RUNNING)
    for fraction in (0.25, 0.5):
        told = Progress(fraction=fraction, message="läuft", attempt=1)
        assert list(await store.renew([replace(ref(task_id), progress=told)], lease_until=NOW)) == [True]
        assert list(await store.renew([ref(task_id)], lease_until=NOW)) == [True]
        assert (await fetch(store, task_id)).progress == told
    await settle(store, settling(task_id, 1, Status.RETRYING))
    assert (await fetch(store, task_id)).progress is None
    await claim(store, [ref(task_id, 2)])
    assert (await fetch(store, task_id)).progress is None
    late = replace(ref(task_id, 1), progress=Progress(fraction=1.0, attempt=1))
    assert list(await store.renew([late], lease_until=NOW)) == [False]
    assert (await fetch(store, task_id)).progress is None
