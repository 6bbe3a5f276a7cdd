"""The task reader reads the records of tasks, and what they have fetched, for the APIs that show them."""

from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.value import replace
from taskrunner.producer.intake import Submitted
from taskrunner.stores.base import Store


class HolderDeleted(StateConflict):
    """The task that held the dedup key was deleted before it could be shown."""


class TaskReader:
    """`inline_body_bytes` is the size up to which fetched bytes are shown with the task."""

    def __init__(self, store: Store, *, inline_body_bytes: int) -> None:
        self._store = store
        self._inline_body_bytes = inline_body_bytes

    async def record(self, task_id: str) -> Record:
        """Raises `TaskUnknown`, `StoreUnavailable`."""
        record = await self._store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        return record

    async def content(self, task_id: str, result: Response) -> bytes | None:
        """The fetched bytes."""
        content = await self._store.body(task_id)
        return b"" if content is None and result.size_bytes == 0 else content

    async def inline_body(self, record: Record) -> bytes | None:
        """The fetched bytes, unless there are many."""
        result = record.result
        if result is None or result.size_bytes > self._inline_body_bytes:
            return None
        return await self.content(record.task.id, result)

    async def known(self, submitted: Submitted) -> Record:
        """The task that was there before a submit. Raises `HolderDeleted`, `StateConflict`."""
        record = await self._store.get(submitted.id)
        if record is not None:
            return record
        if submitted.deduplicated:
            raise HolderDeleted(
                f"task {submitted.id} held the dedup key and is deleted; send the request again"
            )
        raise StateConflict.of_deleted(submitted.id)


def without_results(record: Record) -> Record:
    """The record as a key that may not read sees it when it submits the task again."""
    return replace(record, attempts=(), result=None, error=None, reason=None)
