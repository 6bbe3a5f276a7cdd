"""The limits of API keys: requests are taken from one number per key, whoever takes them."""

import asyncio
from datetime import timedelta

import pytest

from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.tasks.status import LIVE, Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import RateAsk, Store
from tests.contract.stores.harness import (
    KEEP,
    NOW,
    RESPONSE,
    Backend,
    bring,
    entry,
    make_task,
    settling,
)

TEN = RateLimiter(interval=0.1, burst=5)


def ask(wanted: int, name: str = "web", limiter: RateLimiter = TEN) -> RateAsk:
    return RateAsk(name=name, limiter=limiter, wanted=wanted)


async def granted(store: Store, wanted: int, after: float = 0.0, limiter: RateLimiter = TEN) -> int:
    now = NOW + timedelta(seconds=after)
    (answer,) = await store.take_requests([ask(wanted, limiter=limiter)], now=now)
    return answer.granted


async def test_nobody_asks_for_nothing(store: Store) -> None:
    assert list(await store.take_requests([], now=NOW)) == []


async def test_a_burst_and_then_the_rate(store: Store) -> None:
    """Of more than there are, as many as there are."""
    assert await granted(store, 3) == 3
    assert await granted(store, 3) == 2
    assert await granted(store, 3) == 0
    assert await granted(store, 3, after=0.05) == 0
    assert await granted(store, 3, after=0.1) == 1
    assert await granted(store, 9, after=60) == 5


@pytest.mark.parametrize(
    "limiter",
    [
        RateLimiter(interval=1 / 3, burst=1),
        RateLimiter(interval=1 / 7, burst=30),
        RateLimiter(interval=1e-5, burst=100_000),
        RateLimiter(interval=3600 / 5, burst=2),
    ],
)
async def test_every_rate_is_kept(store: Store, limiter: RateLimiter) -> None:
    """A full burst, nothing more, and a full burst again after the time for it."""
    assert await granted(store, 200_000, limiter=limiter) == limiter.burst
    assert await granted(store, 1, limiter=limiter) == 0
    later = limiter.tolerance + 1e-3
    assert await granted(store, 200_000, after=later, limiter=limiter) == limiter.burst


async def test_the_answer_tells_when_one_more_may_be_made(store: Store) -> None:
    (answer,) = await store.take_requests([ask(5)], now=NOW)
    assert answer.ahead == pytest.approx(0.5, abs=1e-5)
    (answer,) = await store.take_requests([ask(5)], now=NOW)
    assert answer.granted == 0
    assert TEN.next_start(answer.ahead) == pytest.approx(0.1, abs=1e-5)


async def test_each_key_has_its_own(store: Store) -> None:
    """Also in one call."""
    answers = await store.take_requests([ask(9), ask(2, "ci"), ask(9, "app")], now=NOW)
    assert [answer.granted for answer in answers] == [5, 2, 5]
    answers = await store.take_requests([ask(9, "ci"), ask(9)], now=NOW)
    assert [answer.granted for answer in answers] == [3, 0]


async def test_a_stricter_limit_takes_effect(store: Store) -> None:
    """What was taken under the former limit keeps nobody waiting for longer than a burst of the new one."""
    slow = RateLimiter(interval=3600.0, burst=10)
    assert await granted(store, 10, limiter=slow) == 10
    assert await granted(store, 1) == 0
    assert await granted(store, 1, after=1.0) == 1


async def test_processes_share_a_limit(backend: Backend) -> None:
    """All at once, they get no more than one of them would."""
    stores = [await backend.open() for _ in range(3)]
    answers = await asyncio.gather(*(granted(store, 1) for store in stores for _ in range(4)))
    assert sum(answers) == 5


async def test_live_tasks_are_counted_by_namespace(store: Store) -> None:
    """In every live status; those that have ended, and those of others, do not count."""
    for status in Status:
        await bring(store, status, task=make_task(id=f"web~{status}"))
    await bring(store, Status.QUEUED, task=make_task(id="web2~a"))
    await bring(store, Status.QUEUED, task=make_task(id="a"))
    most = {"web~": 9, "none~": 9, "web2~": 9}
    assert await store.count_live(most) == {"web~": len(LIVE), "none~": 0, "web2~": 1}
    assert await store.count_live({"web~": 2, "web2~": 2**62}) == {"web~": 2, "web2~": 1}
    await store.delete(["web~scheduled"], now=NOW, retention=KEEP)
    assert await store.count_live({"web~": 9}) == {"web~": len(LIVE) - 1}
    assert await store.count_live({}) == {}


async def measured(store: Store, namespace: str, *, limit: int = 500) -> tuple[int, int]:
    """The bytes of a whole walk, and its pages."""
    size, pages, cursor = 0, 0, None
    while cursor is not None or not pages:
        page = await store.measure(namespace, cursor=cursor, limit=limit)
        size, pages, cursor = size + page.size_bytes, pages + 1, page.cursor
        assert pages <= 100
    return size, pages


async def test_the_bytes_of_a_namespace(store: Store) -> None:
    """Those of its tasks and of their results, in every status, and of no other namespace."""
    assert (await measured(store, "web~"))[0] == 0
    for name in ("web2~a", "web", "web-~a", "we~a"):
        await bring(store, Status.SUCCEEDED, task=make_task(id=name))
    assert (await measured(store, "web~"))[0] == 0
    body = "x" * 10_000
    for status in Status:
        before, _ = await measured(store, "web~")
        await bring(store, status, task=make_task(id=f"web~{status}", body=body))
        after, _ = await measured(store, "web~")
        assert 10_000 <= after - before < 12_000, status
    await store.delete(["web~failed", "web~queued"], now=NOW, retention=KEEP)
    assert 50_000 <= (await measured(store, "web~"))[0] < 60_000


async def test_a_result_has_bytes(store: Store) -> None:
    """Counted in UTF-8, as the task is."""
    await bring(store, Status.RUNNING, task=make_task(id="web~a", body="\u00e9" * 1000))
    before, _ = await measured(store, "web~")
    assert before >= 2000
    result = replace(RESPONSE, body=b"\x00" * 50_000)
    await store.settle([settling("web~a", 1, Status.SUCCEEDED, result=result)], now=NOW)
    after, _ = await measured(store, "web~")
    assert 50_000 <= after - before < 51_000


async def test_a_walk_has_pages(store: Store) -> None:
    """Each of about the size asked for; together they are the whole."""
    await store.accept([entry(make_task(id=f"web~{number}")) for number in range(300)])
    whole, _ = await measured(store, "web~", limit=1000)
    parted, pages = await measured(store, "web~", limit=50)
    assert (parted, pages > 2) == (whole, True)
