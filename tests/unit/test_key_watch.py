"""The key watch: which answer of the store counts, and what a key is answered while there is none."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.clock import SystemClock
from taskrunner.domain.errors import OutsideError, StoreRefused, StoreUnavailable
from taskrunner.domain.events import Event, Events
from taskrunner.domain.keys.api_key import ApiKey, Scope, configured_key, new_secret
from taskrunner.domain.process_events import KeyNamesClash
from taskrunner.domain.value import replace
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.stores.base import ApiKeyStore, KnownKey
from tests.tools.clock import ManualClock

SECRETS = {name: new_secret() for name in ("old", "new")}
OLD, NEW = (configured_key(name, secret, (Scope.ADMIN,)) for name, secret in SECRETS.items())
HOUR = timedelta(hours=1)


class HeldKeys(ApiKeyStore):
    """Keys in memory. A read answers what there was when it began, or fails, once `go` is set."""

    def __init__(self) -> None:
        self.keys: list[ApiKey] = []
        self.failure: OutsideError | None = None
        self.go = asyncio.Event()
        self.under_way = 0
        self.reads = 0

    async def api_keys(self) -> Sequence[KnownKey]:
        found = [KnownKey(key=key, last_used_at=None) for key in self.keys]
        self.under_way += 1
        self.reads += 1
        await self.go.wait()
        self.under_way -= 1
        if self.failure is not None:
            raise self.failure
        return found

    async def save_api_key(self, key: ApiKey, *, expected: ApiKey | None) -> bool:
        self.keys.append(key)
        return True

    async def api_key_uses(self) -> Mapping[str, datetime]:
        return {}

    async def note_api_key_uses(self, uses: Mapping[str, datetime]) -> None:
        """Nobody asks for them here."""


@pytest.fixture
def store() -> HeldKeys:
    return HeldKeys()


@pytest.fixture
def watch(store: HeldKeys) -> KeyWatch:
    return KeyWatch(store, Events(), SystemClock())


async def settle_down() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_older_answer_does_not_replace_a_newer_one(store: HeldKeys) -> None:
    """A revoked key would be good again, and a new one unknown, until the next read."""
    clock = ManualClock()
    watch = KeyWatch(store, Events(), clock)
    store.keys = [OLD]
    turn = asyncio.create_task(watch.turn())
    await settle_down()
    store.keys = [NEW]
    clock.advance(0.5)
    find = asyncio.create_task(watch.find(SECRETS["new"]))
    await settle_down()
    assert store.under_way == 1
    store.go.set()
    await turn
    found = await find
    assert found is not None
    assert found.name == "new"
    assert watch.names == {"new"}


@pytest.mark.parametrize("failure", [StoreUnavailable("away"), StoreRefused("no memory")])
async def test_no_key_is_called_bad_while_keys_cannot_be_read(
    store: HeldKeys, watch: KeyWatch, failure: OutsideError
) -> None:
    """All that wait for one read share its failure, and no further read is made for them."""
    store.failure = failure
    store.go.set()
    asked = [watch.find(new_secret()) for _ in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, OutsideError) for answer in answers), answers
    store.failure, store.keys = None, [NEW]
    assert await watch.find(SECRETS["new"]) == NEW


async def test_who_guesses_keys_shares_reads(store: HeldKeys, watch: KeyWatch) -> None:
    """One that begins after all have asked."""
    store.go.set()
    assert await asyncio.gather(*(watch.find(new_secret()) for _ in range(20))) == [None] * 20
    assert store.reads == 1


@pytest.mark.parametrize(
    ("changes", "seconds", "is_good"),
    [
        ({}, 0, True),
        ({"expires_at": HOUR}, 3599, True),
        ({"expires_at": HOUR}, 3600, False),
        ({"revoked_at": -HOUR}, 0, False),
        ({"previous_digest": "d", "previous_until": HOUR}, 3600, True),
    ],
)
async def test_until_when_a_key_is_good(
    store: HeldKeys, changes: dict[str, object], seconds: float, is_good: bool
) -> None:
    """To the second, without a further read."""
    clock = ManualClock()
    watch = KeyWatch(store, Events(), clock)
    times = {name: clock.now() + each for name, each in changes.items() if isinstance(each, timedelta)}
    store.keys = [replace(NEW, **{**changes, **times})]
    store.go.set()
    await watch.turn()
    clock.advance(seconds)
    assert (await watch.find(SECRETS["new"]) is not None) is is_good


@pytest.mark.parametrize(("seconds", "is_good"), [(0, True), (59.9, True), (60, False)])
async def test_the_secret_before_a_rotation_has_its_time_of_grace(
    store: HeldKeys, seconds: float, is_good: bool
) -> None:
    clock = ManualClock()
    watch = KeyWatch(store, Events(), clock)
    until = clock.now() + timedelta(seconds=60)
    store.keys = [replace(NEW, previous_digest=OLD.digest, previous_until=until)]
    store.go.set()
    await watch.turn()
    clock.advance(seconds)
    assert (await watch.find(SECRETS["old"]) is not None) is is_good
    assert await watch.find(SECRETS["new"]) is not None


async def test_a_name_that_two_keys_have_is_told_once(store: HeldKeys) -> None:
    """It may have been given while the store could not be read, or by a process with other settings."""
    events, seen = Events(), list[Event]()
    events.subscribe(seen.append)
    watch = KeyWatch(store, events, SystemClock(), [OLD, NEW])
    store.go.set()
    both = [("new", "old")]
    for keys, told in (([], []), ([OLD], [("old",)]), ([OLD], []), ([], []), ([OLD, NEW], both)):
        store.keys = list(keys)
        await watch.turn()
        assert [event.names for event in seen if isinstance(event, KeyNamesClash)] == told
        seen.clear()
