"""The look for live tasks of a queue on Redis, which takes several calls."""

from typing import Any, cast

import pytest

from taskrunner.domain.tasks.status import FOLLOWERS, LIVE, Status
from taskrunner.stores.redis.queue_store import RedisQueueStore
from taskrunner.stores.redis.redis_connection import RedisStoreConnection
from taskrunner.stores.redis.scripts import Scripts

MOVES = [(before, after) for before in sorted(LIVE) for after in sorted(FOLLOWERS[before] & LIVE)]


class Moving(RedisQueueStore):
    """One task, which changes from `before` to `after` behind call number `moves_after`."""

    def __init__(self, before: Status, after: Status, moves_after: int) -> None:
        super().__init__(cast(RedisStoreConnection, None), cast(Scripts, None), "test")
        self.status, self._after = before, after
        self._calls_left = moves_after

    async def run(self, name: str, *args: Any) -> Any:
        found = args[1] == self.status
        self._calls_left -= 1
        if self._calls_left == 0:
            self.status = self._after
        return (b"task", 1) if found else (b"", 0)


@pytest.mark.parametrize(("before", "after"), MOVES)
async def test_a_task_that_changes_meanwhile_is_found(before: Status, after: Status) -> None:
    """Its queue would be deleted under it."""
    missed = [
        calls for calls in range(1, 8) if await Moving(before, after, calls).live_task_in("reports") is None
    ]
    assert missed == []
