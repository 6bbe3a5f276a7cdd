"""Host limits across real processes: what a host gets, counted at the host."""

from collections.abc import Iterator

import pytest

from tests.system.conftest import Deploy
from tests.system.harness.target import Hit, Target
from tests.tools.waiting import PATIENCE, wait_for


@pytest.fixture
def slow() -> Iterator[Target]:
    """A second host: `target` on another port."""
    with Target() as target:
        yield target


# A held attempt lasts as long as the test needs.
HELD = {"WORKERS__LEASE": PATIENCE, "FETCH__TIMEOUT": PATIENCE, "HOSTS__LONGEST_WAIT": 2}


def most_at_a_time(hits: list[Hit]) -> int:
    """How many requests the target has worked on at once."""
    edges = sorted([(hit.at, 1) for hit in hits] + [(hit.sent, -1) for hit in hits if hit.sent])
    most = now = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most


def test_a_limit_holds_across_two_consumers(deploy: Deploy, target: Target, slow: Target) -> None:
    """The host never exceeds its limit of requests at a time, and another host's tasks do not wait for it."""
    deployment = deploy(
        FETCH__PORTS=f"{target.port},{slow.port}",
        HOSTS__LIMITS=f"127.0.0.1:{slow.port} concurrency=3",
        **HELD,
    )
    deployment.serve()
    consumers = [deployment.consume() for _ in range(2)]
    held = [slow.url(f"/{number}", delay=0.1, hold=deployment.name) for number in range(30)]
    slow_ids = deployment.submit_many(held)
    wait_for(lambda: slow.count() == 3, "as many as may be")
    mark = target.count()
    fast_ids = deployment.submit_many([target.url(f"/{number}") for number in range(60)])
    wait_for(lambda: target.count() - mark == len(fast_ids), "the other host's tasks")
    assert slow.count() == 3
    slow.release(deployment.name)
    deployment.wait_drained(len(slow_ids) + len(fast_ids))
    assert most_at_a_time(slow.hits()) == 3
    assert len(slow.hits()) == len(slow_ids)
    records = [deployment.record(task_id) for task_id in slow_ids]
    assert {record["attempt"] for record in records} == {1}
    assert sum(consumer.stats()["totals"]["snoozed"] for consumer in consumers) > 0


def test_a_rate_holds_across_two_consumers(deploy: Deploy, target: Target) -> None:
    """No more attempts start in any period than rate and burst allow."""
    deployment = deploy(HOSTS__LIMITS="* rate=5/s burst=2")
    deployment.serve()
    for _ in range(2):
        deployment.consume()
    mark = target.count()
    ids = deployment.submit_many([target.url(f"/{number}") for number in range(40)])
    deployment.wait_drained(len(ids))
    starts = sorted(hit.at for hit in target.hits(mark))
    assert len(starts) == len(ids)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            # A busy machine may hold one start back and not the next. Were the rate each consumer's own, all
            # would have started within 4 s.
            assert last - first + 1 <= 2 + (starts[last] - starts[first] + 2.5) * 5


def test_a_slow_host_blocks_nobody(deploy: Deploy, target: Target, slow: Target) -> None:
    """Without any limit, a fast host's tasks run although hundreds for a slow host are queued before them."""
    deployment = deploy(
        FETCH__PORTS=f"{target.port},{slow.port}",
        WORKERS__MIN_WORKERS=10,
        WORKERS__MAX_WORKERS=10,
        HOSTS__SLOW=0.5,
        HOSTS__LONGEST_WAIT=20,
    )
    deployment.serve()
    slow_ids = deployment.submit_many([slow.url(f"/{number}", delay=1) for number in range(400)])
    mark = target.count()
    fast_ids = deployment.submit_many([target.url(f"/{number}") for number in range(100)])
    deployment.consume()
    wait_for(lambda: target.count() - mark == len(fast_ids), "the fast host's tasks")
    assert slow.count() < len(slow_ids) / 2
    waiting = [record for record in deployment.records("scheduled") if record["snoozes"]]
    assert waiting
    assert all("slow" in record["waits_for"] for record in waiting)


def test_a_dead_host_is_not_hammered(deploy: Deploy, target: Target, slow: Target) -> None:
    """After a few failures only probes are sent, and the other tasks wait."""
    deployment = deploy(
        FETCH__PORTS=f"{target.port},{slow.port}",
        HOSTS__BREAKER_FAILURES=5,
        HOSTS__BREAKER_COOLDOWN=1,
        WORKERS__MIN_WORKERS=5,
        WORKERS__MAX_WORKERS=5,
        RETRY__MAX_ATTEMPTS=2,
        RETRY__BASE=1,
    )
    deployment.serve()
    consumer = deployment.consume()
    ids = deployment.submit_many([slow.url(f"/{number}", status=503) for number in range(100)])
    wait_for(lambda: consumer.stats()["totals"]["circuits_opened"] >= 2, "it opened, and a probe failed")
    assert slow.count() < len(ids)
    assert deployment.counts()["failed"] < len(ids)
