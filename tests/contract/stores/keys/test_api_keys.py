"""API keys: each change is conditional on the key that it was made from, and none is ever removed."""

import asyncio
from datetime import timedelta

from taskrunner.domain.keys.api_key import ApiKey, Scope
from taskrunner.domain.value import replace
from taskrunner.stores.base import KnownKey, Store
from tests.contract.stores.harness import NOW

HOUR = timedelta(hours=1)


def key(name: str = "web", **changes: object) -> ApiKey:
    made = ApiKey(
        name=name,
        digest="d" * 64,
        hint="tr_abcd",
        scopes=(Scope.SUBMIT, Scope.READ_ALL),
        owner="Zo\u00eb",
        created_at=NOW,
        expires_at=NOW + HOUR,
        previous_digest="e" * 64,
        previous_until=NOW,
    )
    return replace(made, **changes)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Every field, in the order of the names; none has been used."""
    keys = [key("web"), key("ci", owner=None, expires_at=None), key("app-2", revoked_at=NOW)]
    for each in keys:
        assert await store.save_api_key(each, expected=None)
    assert await store.api_keys() == [
        KnownKey(key=each, last_used_at=None) for each in (keys[2], keys[1], keys[0])
    ]


async def test_no_key_is_no_fault(store: Store) -> None:
    assert list(await store.api_keys()) == []
    await store.note_api_key_uses({})


async def test_a_name_is_given_once(store: Store) -> None:
    """Who expects none finds the first one, and nothing is changed."""
    assert await store.save_api_key(key(), expected=None)
    assert not await store.save_api_key(key(digest="f" * 64), expected=None)
    assert [known.key for known in await store.api_keys()] == [key()]


async def test_a_change_needs_the_key_it_was_made_from(store: Store) -> None:
    """Of two that read the same key, the second is refused; so is a change of one that is not there."""
    await store.save_api_key(key(), expected=None)
    revoked, rotated = key(revoked_at=NOW), key(digest="f" * 64)
    assert await store.save_api_key(revoked, expected=key())
    assert not await store.save_api_key(rotated, expected=key())
    assert not await store.save_api_key(key("ci"), expected=key("ci", owner="x"))
    assert [known.key for known in await store.api_keys()] == [revoked]


async def test_a_change_that_is_repeated_is_done(store: Store) -> None:
    """Whoever did not hear the answer asks again."""
    for _ in range(2):
        assert await store.save_api_key(key(), expected=None)
    for _ in range(2):
        assert await store.save_api_key(key(revoked_at=NOW), expected=key())


async def test_of_many_that_make_a_key_one_wins(store: Store) -> None:
    """All at once, with the same name."""
    made = [key(digest=f"{number:064x}") for number in range(8)]
    answers = await asyncio.gather(*(store.save_api_key(each, expected=None) for each in made))
    assert sum(answers) == 1
    assert [known.key for known in await store.api_keys()] == [made[answers.index(True)]]


async def test_the_last_use_is_remembered(store: Store) -> None:
    """Of several keys at once, and beside a change of the key."""
    for name in ("a", "b", "c"):
        await store.save_api_key(key(name), expected=None)
    await store.note_api_key_uses({"a": NOW, "b": NOW})
    await store.note_api_key_uses({"b": NOW + HOUR, "configured": NOW})
    await store.save_api_key(key("b", revoked_at=NOW), expected=key("b"))
    assert await store.api_key_uses() == {"a": NOW, "b": NOW + HOUR, "configured": NOW}
    assert {known.key.name: known.last_used_at for known in await store.api_keys()} == {
        "a": NOW,
        "b": NOW + HOUR,
        "c": None,
    }
