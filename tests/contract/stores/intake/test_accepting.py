"""Accepting: a record with its due line, once per id and once per idempotency key."""

from datetime import timedelta

from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import AcceptAnswer, Store
from tests.contract.stores.harness import (
    KEEP,
    NOW,
    bring,
    entries,
    entry,
    fetch,
    make_task,
    ref,
    settle,
    settling,
    status_of,
)


async def accept_with_key(store: Store, key: str, fingerprint: str) -> tuple[str, AcceptAnswer, str]:
    new = entry(idempotency_key=key, fingerprint=fingerprint)
    (answer,) = await store.accept([new])
    return new.id, answer.answer, answer.id


async def test_a_new_task_is_scheduled_and_has_its_whole_record(store: Store) -> None:
    """Everything that was handed in can be read back."""
    task = make_task(headers={"x": "ü"}, body="text", labels={"a": "b"}, run_at=NOW, max_attempts=7)
    due = NOW + timedelta(seconds=5)
    (answer,) = await store.accept([entry(task, due=due)])
    record = await fetch(store, task.id)
    assert (answer.id, answer.answer) == (task.id, AcceptAnswer.CREATED)
    assert record.task == task
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SCHEDULED, 0, 7)
    assert (record.due, record.updated_at) == (due, NOW)
    assert (record.attempts, record.result, record.error) == ((), None, None)
    assert (record.finished_at, record.kept_until) == (None, None)


async def test_a_task_whose_record_was_lost_goes_on_where_it_was(store: Store) -> None:
    """Attempts made before count, and at least one more may start."""
    (kept, spent) = (entry(attempt=1), entry(attempt=5))
    await store.accept([kept, spent])
    records = [await fetch(store, new.id) for new in (kept, spent)]
    assert [(record.attempt, record.attempt_limit) for record in records] == [(1, 3), (5, 6)]
    assert records[0].attempts == ()


async def test_the_same_id_is_accepted_once(store: Store) -> None:
    """The second submit writes nothing, whatever the task has become by then."""
    task_id = await bring(store, Status.RUNNING)
    before = await fetch(store, task_id)
    (answer,) = await store.accept([entry(make_task(id=task_id))])
    assert (answer.id, answer.answer) == (task_id, AcceptAnswer.EXISTS)
    assert await fetch(store, task_id) == before


async def test_the_same_id_twice_in_a_batch_is_accepted_once(store: Store) -> None:
    """A batch behaves as its items one after the other."""
    new = entry()
    answers = await store.accept([new, entry(), new])
    assert [answer.answer for answer in answers] == [
        AcceptAnswer.CREATED,
        AcceptAnswer.CREATED,
        AcceptAnswer.EXISTS,
    ]
    assert (await store.counts())[Status.SCHEDULED] == 2


async def test_an_idempotency_key_stands_for_the_first_task(store: Store) -> None:
    """The same request again gets the first id; another request under the key is a conflict."""
    first, answer, _ = await accept_with_key(store, "key one", "print")
    assert answer is AcceptAnswer.CREATED
    second, answer, state_now = await accept_with_key(store, "key one", "print")
    assert (answer, state_now) == (AcceptAnswer.EXISTS, first)
    third, answer, state_now = await accept_with_key(store, "key one", "other print")
    assert (answer, state_now) == (AcceptAnswer.CONFLICT, first)
    assert await store.get(second) is None
    assert await store.get(third) is None
    assert (await accept_with_key(store, "key two", "print"))[1] is AcceptAnswer.CREATED


async def test_a_key_twice_in_a_batch_stands_for_the_first(store: Store) -> None:
    """A batch behaves as its items one after the other."""
    prints = ["a", "a", "b"]
    tasks = [entry(idempotency_key="k", fingerprint=text) for text in prints]
    answers = await store.accept(tasks)
    assert [answer.id for answer in answers] == [tasks[0].id] * 3
    assert [answer.answer for answer in answers] == [
        AcceptAnswer.CREATED,
        AcceptAnswer.EXISTS,
        AcceptAnswer.CONFLICT,
    ]


async def test_the_same_task_under_another_request_is_a_conflict(store: Store) -> None:
    """A key's fingerprint is looked at before the id."""
    new = entry(idempotency_key="k", fingerprint="a")
    await store.accept([new])
    (same,) = await store.accept([new])
    (other,) = await store.accept([entry(make_task(id=new.id), idempotency_key="k", fingerprint="b")])
    assert (same.answer, other.answer) == (AcceptAnswer.EXISTS, AcceptAnswer.CONFLICT)


async def test_a_key_lives_as_long_as_its_task_is_kept(store: Store) -> None:
    """It survives the end of the task and a requeue, and goes with the record."""
    task_id = await bring(store, Status.FAILED, idempotency_key="k", fingerprint="a")
    assert (await accept_with_key(store, "k", "a"))[2] == task_id
    await store.requeue([task_id], now=NOW, due=NOW)
    assert (await accept_with_key(store, "k", "a"))[2] == task_id
    (claimed,) = await store.claim(
        [ref(task_id, 2)], now=NOW, lease_until=NOW + timedelta(seconds=1), consumer="c"
    )
    assert claimed.attempt_limit == 4
    await settle(store, settling(task_id, 2, Status.SUCCEEDED))
    await store.prune(now=NOW + timedelta(seconds=KEEP + 1), limit=10)
    assert (await accept_with_key(store, "k", "other"))[1] is AcceptAnswer.CREATED


async def test_a_thousand_tasks_in_one_batch(store: Store) -> None:
    """None is missing, and the answers are in order."""
    tasks = entries(1000)
    answers = await store.accept(tasks)
    assert [answer.id for answer in answers] == [new.id for new in tasks]
    assert (await store.counts())[Status.SCHEDULED] == 1000
    assert await status_of(store, tasks[-1].id) is Status.SCHEDULED


async def test_an_empty_batch_is_nothing(store: Store) -> None:
    """No item, no answer, no error."""
    assert await store.accept([]) == []
