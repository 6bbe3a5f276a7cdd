"""BulkSubmit submit: many drafts from a stream, in batches that overlap, with answers in the stream's
order.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import BinaryIO

from taskrunner.domain.errors import FieldError, StoreUnavailable, TaskInvalid
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.value import Value
from taskrunner.producer.intake import Intake, Prepared, Submitted
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.runtime.thread_reader import ThreadReader

_BATCH = 500
# While one batch is written and another confirmed, the next is being read.
_OVERLAP = 4
# Of these a task has one at most, so the line's own puts the other of the command line out of force.
RIVALS = {"delay": "run_at", "run_at": "delay", "body": "body_base64", "body_base64": "body"}
# A line longer than this is no task: the largest body in base64, with its headers and URL, is below it.
LINE_LIMIT_BYTES = 1024 * 1024


class Refused(Value):
    """A line that is no task; `number` counts from 1."""

    number: int
    error: TaskInvalid


class BatchDone(Value):
    """A batch that is accepted. `lines` is how many lines were read up to its end.

    `numbers` are the lines of what was submitted.
    """

    submitted: list[Submitted]
    numbers: list[int]
    refused: list[Refused]
    lines: int


class BulkSubmit:
    """Submits lines, each a URL or a JSON object with the fields of `POST /tasks`.

    `base` has the fields for every line but its URL; a JSON line's own fields win. `patience` is the seconds
    for which a store that is away is waited for. Repeating a batch is safe: its ids are made before.
    """

    def __init__(self, intake: Intake, base: TaskDraft, *, patience: float) -> None:
        self._intake = intake
        self._base = base
        given = base.model_fields_set - {"url", "id"}
        self._defaults = {name: getattr(base, name) for name in given}
        self._patience = patience

    async def submit(self, lines: Iterable[bytes]) -> AsyncIterator[BatchDone]:
        """Yield each batch once it is accepted. Raises `StoreUnavailable` when patience has run out."""
        reader = ThreadReader(meaningful(lines), batch=_BATCH, ahead=_BATCH * _OVERLAP)
        under_way: deque[asyncio.Task[BatchDone]] = deque()
        try:
            async for batch in reader.batches():
                under_way.append(asyncio.create_task(self.submit_batch(batch)))
                # Checking the next lines must not keep the batches from going out.
                await asyncio.sleep(0)
                while under_way and (not reader.ready or len(under_way) >= _OVERLAP):
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            await cancel_and_wait(*under_way)

    async def submit_batch(self, batch: list[tuple[int, bytes]]) -> BatchDone:
        """Submit numbered lines. Raises `StoreUnavailable` when patience has run out."""
        prepared: list[Prepared] = []
        numbers: list[int] = []
        refused: list[Refused] = []
        for number, line in batch:
            try:
                prepared.append(self._intake.prepare(self._draft(line)))
                numbers.append(number)
            except TaskInvalid as exc:
                refused.append(Refused(number=number, error=exc))
        submitted = await self._persist(prepared) if prepared else []
        return BatchDone(submitted=submitted, numbers=numbers, refused=refused, lines=batch[-1][0])

    def _draft(self, line: bytes) -> TaskDraft:
        check_length(line)
        if not line.startswith(b"{"):
            # The rest was checked with `base`, so a plain line costs the check of its URL only.
            return self._base.with_url(line.decode("utf-8", "replace"), self._intake.rules.limits)
        draft = TaskDraft.from_json(line, self._intake.rules.limits)
        said = draft.model_fields_set
        return draft.model_copy(
            update={n: v for n, v in self._defaults.items() if n not in said and RIVALS.get(n) not in said}
        )

    async def _persist(self, prepared: list[Prepared]) -> list[Submitted]:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        backoff = Backoff()
        while True:
            try:
                return await self._intake.submit_many(prepared)
            except StoreUnavailable:
                if loop.time() >= give_up:
                    raise
                await asyncio.sleep(backoff.next())


def bounded_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of `source`; of one that is too long only as much as it takes to know that."""
    most = LINE_LIMIT_BYTES + 2  # one too many, and the line's end
    while line := source.readline(most):
        yield line
        while len(line) == most and not line.endswith(b"\n"):
            line = source.readline(most)


def check_length(line: bytes) -> None:
    """Raises `TaskInvalid` for a line that is too long to be a task."""
    if len(line) > LINE_LIMIT_BYTES:
        message = f"the line is longer than {LINE_LIMIT_BYTES} bytes"
        raise TaskInvalid([FieldError(field="", message=message)])


def meaningful(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without blanks and `#` comments."""
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith(b"#"):
            yield number, stripped
