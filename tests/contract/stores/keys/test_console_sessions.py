"""Sessions of the console: kept until they are ended, whoever asks."""

import asyncio
from datetime import timedelta

from taskrunner.domain.keys.console_session import ConsoleSession
from taskrunner.domain.value import replace
from taskrunner.stores.base import KnownSession, Store
from tests.contract.stores.harness import NOW, Backend

HOUR = timedelta(hours=1)


def session(session_id: str = "a1", **changes: object) -> ConsoleSession:
    made = ConsoleSession(
        id=session_id,
        digest=session_id * 32,
        key="web",
        key_digest="d" * 64,
        created_at=NOW,
        expires_at=NOW + HOUR,
        origin="2001:db8::1",
        agent="Mozilla/5.0 (Zo\u00eb)",
    )
    return replace(made, **changes)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Every field, the oldest first; saved twice, since the first answer may be lost."""
    saved = [
        session("c3", created_at=NOW + HOUR),
        session("b2", origin=None, agent=None),
        session("a1", created_at=NOW - HOUR),
    ]
    for each in [*saved, *saved]:
        await store.save_session(each)
    assert await store.console_sessions() == [
        KnownSession(session=each, last_used_at=None) for each in reversed(saved)
    ]


async def test_nothing_is_no_fault(store: Store) -> None:
    assert list(await store.console_sessions()) == []
    await store.note_session_uses({})
    assert await store.end_sessions([]) == 0
    assert await store.end_sessions(["a1"]) == 0


async def test_the_last_use_is_remembered(store: Store) -> None:
    for each in ("a1", "b2", "c3"):
        await store.save_session(session(each))
    await store.note_session_uses({"a1": NOW, "b2": NOW})
    await store.note_session_uses({"b2": NOW + HOUR})
    assert {known.session.id: known.last_used_at for known in await store.console_sessions()} == {
        "a1": NOW,
        "b2": NOW + HOUR,
        "c3": None,
    }


async def test_a_session_ends_once(store: Store) -> None:
    """And leaves no trace: a use that is noted too late does not bring it back."""
    for each in ("a1", "b2", "c3"):
        await store.save_session(session(each))
    await store.note_session_uses({"a1": NOW})
    assert await store.end_sessions(["a1", "c3", "nothing"]) == 2
    assert await store.end_sessions(["a1", "c3"]) == 0
    await store.note_session_uses({"a1": NOW, "b2": NOW})
    assert [known.session.id for known in await store.console_sessions()] == ["b2"]
    await store.save_session(session("a1"))
    assert [known.last_used_at for known in await store.console_sessions()] == [None, NOW]


async def test_of_many_that_end_a_session_one_does(backend: Backend) -> None:
    """All at once, from several processes, which see what the others have made."""
    stores = [await backend.open() for _ in range(3)]
    await asyncio.gather(*(each.save_session(session(f"{place}0")) for place, each in enumerate(stores)))
    assert {len(await each.console_sessions()) for each in stores} == {3}
    ended = await asyncio.gather(*(each.end_sessions(["00", "10", "20"]) for each in stores))
    assert sum(ended) == 3
