"""Webhooks: each change is conditional on the webhook that it was made from."""

import asyncio

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.callback import EVENTS, Callback
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import replace
from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW

CALLBACK = Callback(
    url="https://hook.test/\u00eb",
    secret="billing",
    events=EVENTS[1:],
    timeout=7.5,
    max_attempts=3,
    retry=RetryPolicy(delays=(1.0, 2.5)),
    tls="internal",
)


def webhook(name: str = "ends", **changes: object) -> Webhook:
    made = Webhook(
        name=name,
        callback=CALLBACK,
        task_filter=TaskFilter(
            namespace="web~",
            created_by="web",
            queue="high",
            labels={"team": "red", "any": None},
            host="a.test:8443",
            outcome=OutcomeKind.TIMEOUT,
        ),
        enabled=False,
        created_by="web",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(made, **changes)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Every field, in the order of the names, which sort by their bytes."""
    made = [webhook("web~b"), webhook("b", enabled=True), webhook("B", created_by=None)]
    for each in made:
        assert await store.save_webhook(each, expected=None)
    assert await store.webhooks() == [made[2], made[1], made[0]]


async def test_no_webhook_is_no_fault(store: Store) -> None:
    assert list(await store.webhooks()) == []
    assert await store.delete_webhook(webhook())


async def test_a_name_is_given_once(store: Store) -> None:
    """Who expects none finds the first one, and nothing is changed."""
    assert await store.save_webhook(webhook(), expected=None)
    assert not await store.save_webhook(webhook(enabled=True), expected=None)
    assert await store.webhooks() == [webhook()]


async def test_a_change_needs_the_webhook_it_was_made_from(store: Store) -> None:
    """Of two that read the same one, the second is refused; so is a change of one that is not there."""
    await store.save_webhook(webhook(), expected=None)
    first, second = webhook(enabled=True), webhook(created_by=None)
    assert await store.save_webhook(first, expected=webhook())
    assert not await store.save_webhook(second, expected=webhook())
    assert not await store.save_webhook(webhook("other"), expected=webhook("other", enabled=True))
    assert await store.webhooks() == [first]


async def test_a_change_that_is_repeated_is_done(store: Store) -> None:
    """Whoever did not hear the answer asks again."""
    for _ in range(2):
        assert await store.save_webhook(webhook(), expected=None)
    for _ in range(2):
        assert await store.save_webhook(webhook(enabled=True), expected=webhook())


async def test_of_many_that_make_one_a_single_one_wins(store: Store) -> None:
    """All at once, with the same name."""
    many = [webhook(created_by=f"k{number}") for number in range(8)]
    answers = await asyncio.gather(*(store.save_webhook(each, expected=None) for each in many))
    assert sum(answers) == 1
    assert await store.webhooks() == [many[answers.index(True)]]


async def test_one_is_deleted_and_its_name_is_free(store: Store) -> None:
    for name in ("a", "b"):
        await store.save_webhook(webhook(name), expected=None)
    assert not await store.delete_webhook(webhook("a", enabled=True))
    assert await store.delete_webhook(webhook("a"))
    assert await store.delete_webhook(webhook("a"))
    assert await store.webhooks() == [webhook("b")]
    assert not await store.save_webhook(webhook("a", enabled=True), expected=webhook("a"))
    assert await store.save_webhook(webhook("a"), expected=None)
