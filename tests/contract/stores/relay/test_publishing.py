"""Marks of publication: from every status that allows them, and from no other."""

from taskrunner.domain.tasks.status import PUBLISHABLE, Status
from taskrunner.stores.base import Store
from tests.contract.stores.changes import (
    every_status,
    mark,
    postpone,
)
from tests.contract.stores.harness import (
    DAY,
    NOW,
    attempts_made,
    bring,
    fetch,
)


@every_status
async def test_published(store: Store, status: Status) -> None:
    """A task that may be published is then queued; any other stays as it is."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    await mark(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    if status in PUBLISHABLE:
        assert (after.status, after.due) == (Status.QUEUED, NOW + DAY)
        assert after.attempt == before.attempt
    else:
        assert after == before


@every_status
async def test_postponed(store: Store, status: Status) -> None:
    """Only a queued task is looked at later."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    await postpone(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    if status is Status.QUEUED:
        assert (after.status, after.due) == (Status.QUEUED, NOW + 2 * DAY)
    else:
        assert after == before
