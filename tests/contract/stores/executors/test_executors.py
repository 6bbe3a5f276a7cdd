"""Executors: each change is conditional on the executor that it was made from."""

import asyncio

from taskrunner.domain.executors.executor import DeadLetterPolicy, Executor, ExecutorKind, ManagedBy
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import replace
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW

FULL = Executor(
    name="resize_image",
    kind=ExecutorKind.HTTP,
    enabled=False,
    description="Bilder \u00eb",
    schema='{"type": "object",  "minProperties": 1.0}',
    url="https://a.test/{id}?size={size}",
    method="PUT",
    headers={"X-A": "b"},
    tls="internal",
    retry=RetryPolicy(delays=(1.0, 2.5)),
    max_attempts=3,
    timeout=7.5,
    queue="low",
    write_concern=WriteConcern.REPLICATED,
    concurrency=4,
    rate=2.5,
    burst=9,
    retention=60.0,
    dead_letters=DeadLetterPolicy(enabled=False),
    managed_by=ManagedBy.CODE,
    version=7,
    created_at=NOW,
    updated_at=NOW,
)


def bare(name: str = "b", **changes: object) -> Executor:
    made = Executor(name=name, kind=ExecutorKind.PYTHON, created_at=NOW, updated_at=NOW)
    return replace(made, **changes)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Every field, the schema as it was spelt, in the order of the names."""
    for each in (FULL, bare(), bare("a_b")):
        assert await store.save_executor(each, expected=None)
    assert await store.executors() == [bare("a_b"), bare(), FULL]


async def test_no_executor_is_no_fault(store: Store) -> None:
    assert list(await store.executors()) == []


async def test_a_name_is_given_once(store: Store) -> None:
    """Who expects none finds the first one, and nothing is changed."""
    assert await store.save_executor(bare(), expected=None)
    assert not await store.save_executor(bare(enabled=False), expected=None)
    assert await store.executors() == [bare()]


async def test_a_change_needs_the_version_it_was_made_from(store: Store) -> None:
    """Of two that read the same version, the second is refused; so is a change of one that is not there."""
    await store.save_executor(bare(), expected=None)
    first, second = bare(version=2, timeout=5.0), bare(version=2, enabled=False)
    assert await store.save_executor(first, expected=bare())
    assert not await store.save_executor(second, expected=bare())
    assert not await store.save_executor(bare("c", version=2), expected=bare("c"))
    assert await store.executors() == [first]


async def test_a_change_that_is_repeated_is_done(store: Store) -> None:
    """Whoever did not hear the answer asks again."""
    for _ in range(2):
        assert await store.save_executor(bare(), expected=None)
    for _ in range(2):
        assert await store.save_executor(bare(version=2), expected=bare())


async def test_of_many_that_make_one_a_single_one_wins(store: Store) -> None:
    """All at once, with the same name."""
    many = [bare(max_attempts=number + 1) for number in range(8)]
    answers = await asyncio.gather(*(store.save_executor(each, expected=None) for each in many))
    assert sum(answers) == 1
    assert await store.executors() == [many[answers.index(True)]]


async def test_a_deletion_needs_the_version_that_was_seen(store: Store) -> None:
    """One that has changed since stays; a deletion that is repeated is done; the name is free again."""
    await store.save_executor(bare(version=2), expected=None)
    assert not await store.delete_executor(bare())
    assert await store.executors() == [bare(version=2)]
    for _ in range(2):
        assert await store.delete_executor(bare(version=2))
    assert list(await store.executors()) == []
    assert not await store.save_executor(bare(version=3), expected=bare(version=2))
    assert await store.save_executor(bare(), expected=None)
