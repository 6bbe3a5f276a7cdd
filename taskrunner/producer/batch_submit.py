"""Batch submit: many tasks, from a stream or a request, in overlapping parts, with results in their order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from operator import attrgetter, itemgetter

from taskrunner.domain.errors import (
    BatchRefused,
    ExecutorNotKnown,
    FieldError,
    OutsideError,
    StateConflict,
    StoreUnavailable,
    TaskInvalid,
)
from taskrunner.domain.tasks.dedup import DedupMode
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.value import Value
from taskrunner.producer.batch_reader import BatchReader, NumberedLine, ReadLines, RefusedLine, meaningful
from taskrunner.producer.intake import Intake, Submitted
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.runtime.thread_reader import ThreadReader

_BATCH = 500
# One batch is being read while others are written and confirmed.
_OVERLAP = 4
# Of a request: the event loop is busy with so many for some 10 ms, after which others get their turn.
_PART = 250
# Checking more on the event loop takes longer than its other clients should wait.
_LARGE_BYTES = 64 * 1024
_FEW = 20


class SubmittedBatch(Value):
    """An accepted batch. `lines` is the number of lines read up to its end.

    `numbers` are the line numbers of `submitted`.
    """

    submitted: list[Submitted]
    numbers: list[int]
    refused: list[RefusedLine]
    lines: int


class BatchSubmit:
    """Submits the lines of a stream. `patience` is how many seconds to wait for an unavailable store.

    Repeating a batch is safe: its ids are made before. A `dry_run` only says what would be accepted.
    """

    def __init__(
        self,
        intake: Intake,
        base: TaskDraft,
        *,
        patience: float,
        make_id: Callable[[int, bytes], str] | None = None,
        dry_run: bool = False,
    ) -> None:
        self._intake = intake
        self._base, self._make_id = base, make_id
        self._patience = patience
        self._accept = intake.foresee if dry_run else intake.submit_many

    async def submit(self, lines: Iterable[bytes]) -> AsyncIterator[SubmittedBatch]:
        """Yield each batch once it is accepted. Raises `StoreUnavailable` after `patience` seconds."""
        reader = ThreadReader(meaningful(lines), batch=_BATCH, ahead=_BATCH * _OVERLAP)
        under_way: deque[asyncio.Task[SubmittedBatch]] = deque()
        try:
            async for batch in reader.batches():
                under_way.append(asyncio.create_task(self._submit_batch(batch)))
                # Lets the batches go out before the next lines are checked.
                await asyncio.sleep(0)
                while under_way and (not reader.ready or len(under_way) >= _OVERLAP):
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            await cancel_and_wait(*under_way)

    async def _submit_batch(self, batch: list[NumberedLine]) -> SubmittedBatch:
        reader = BatchReader(self._intake, self._base, make_id=self._make_id)
        if sum(len(line) for _, line in batch) > _LARGE_BYTES:
            read = await asyncio.to_thread(reader.read, batch)
        else:
            read = reader.read(batch)
        return await self._persist(read, batch[-1][0])

    async def _persist(self, read: ReadLines, lines: int) -> SubmittedBatch:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._patience
        backoff = Backoff()
        while True:
            try:
                read = await _decided(read, self._intake)
                return _answered(read, await self._accept(read.tasks) if read.tasks else [], lines)
            except StoreUnavailable:
                if loop.time() >= give_up:
                    raise
                await asyncio.sleep(backoff.next())


class RequestSubmit:
    """Submits the lines of one request, in parts that leave the event loop time for others.

    A `dry_run` only says what would be accepted, each task looked at alone.
    """

    def __init__(self, intake: Intake, reader: BatchReader, *, dry_run: bool = False) -> None:
        self._intake = intake
        self._reader = reader
        self._dry_run = dry_run
        # Both are fair: parts are read in order, and accepted in order, as if they were one.
        self._reading, self._accepting = asyncio.Lock(), asyncio.Lock()
        self._outage: OutsideError | None = None

    async def submit(self, lines: Sequence[NumberedLine]) -> AsyncIterator[SubmittedBatch]:
        """Yield each part once it is accepted. After an outage of a service, all that is left is refused.

        Raises `OutsideError` if nothing was accepted before.
        """
        under_way: deque[asyncio.Task[SubmittedBatch]] = deque()
        is_first = True
        try:
            for first in range(0, len(lines), _PART):
                part = lines[first : first + _PART]
                under_way.append(asyncio.create_task(self._submit_part(part)))
                if len(under_way) >= _OVERLAP:
                    yield self._unless_lost(await under_way.popleft(), is_first)
                    is_first = False
            while under_way:
                yield self._unless_lost(await under_way.popleft(), is_first)
                is_first = False
        finally:
            await cancel_and_wait(*under_way)

    async def submit_all(self, lines: Sequence[NumberedLine]) -> SubmittedBatch:
        """All or none. Raises `BatchRefused` with the numbers of the lines, and `OutsideError`."""
        read = await _decided(await self._read(lines), self._intake)
        refused: list[tuple[int, TaskInvalid | StateConflict]] = [
            (each.number, each.error) for each in read.refused if not isinstance(each.error, OutsideError)
        ]
        refused += [*_repeated(read), *_replacing(read)]
        if refused:
            raise BatchRefused(sorted(refused, key=itemgetter(0)))
        try:
            submitted = await self._accept_all(read.tasks)
        except BatchRefused as exc:
            raise BatchRefused([(read.numbers[place], error) for place, error in exc.refused]) from exc
        return _answered(read, submitted, lines[-1][0])

    async def _accept_all(self, tasks: Sequence[NewTask]) -> list[Submitted]:
        if not self._dry_run:
            return await self._intake.submit_all(tasks)
        foreseen = await self._intake.foresee(tasks)
        refused = [(place, each.refusal) for place, each in enumerate(foreseen) if each.refusal]
        if refused:
            raise BatchRefused(refused)
        return foreseen

    def _unless_lost(self, done: SubmittedBatch, is_first: bool) -> SubmittedBatch:
        if is_first and self._outage is not None and not done.submitted:
            raise self._outage
        return done

    async def _submit_part(self, part: Sequence[NumberedLine]) -> SubmittedBatch:
        async with self._reading:
            read = await self._read(part)
        last = part[-1][0]
        if not read.tasks and not read.unsure:
            return _answered(read, [], last)
        try:
            async with self._accepting:
                if self._outage is not None:
                    raise self._outage
                read = await _decided(read, self._intake)
                if not read.tasks:
                    return _answered(read, [], last)
                if self._dry_run:
                    return _answered(read, await self._intake.foresee(read.tasks), last)
                answers = await self._intake.accept(read.tasks)
            return _answered(read, await self._intake.complete(read.tasks, answers), last)
        except OutsideError as exc:
            self._outage = exc
            numbers = [*read.numbers, *(each.number for each in read.unsure)]
            lost = [RefusedLine(number=number, error=exc) for number in numbers]
            return SubmittedBatch(
                submitted=[], numbers=[], refused=_in_order(read.refused + lost), lines=last
            )

    async def _read(self, lines: Sequence[NumberedLine]) -> ReadLines:
        read = await self._read_once(lines)
        unknown = any(isinstance(each.error, ExecutorNotKnown) for each in read.refused)
        # Another process may have just made the executor.
        if unknown and await self._intake.task_settings.executors.look_again():
            return await self._read_once(lines)
        return read

    async def _read_once(self, lines: Sequence[NumberedLine]) -> ReadLines:
        if len(lines) <= _FEW and sum(len(line) for _, line in lines) <= _LARGE_BYTES:
            return self._reader.read(lines)
        return await asyncio.to_thread(self._reader.read, lines)


async def _decided(read: ReadLines, intake: Intake) -> ReadLines:
    """Raises `StoreUnavailable`."""
    if not read.unsure:
        return read
    return read.decided(await intake.are_known([each.task for each in read.unsure]))


def _answered(read: ReadLines, submitted: Sequence[Submitted], lines: int) -> SubmittedBatch:
    answered = list(zip(read.numbers, submitted, strict=True))
    refused = [RefusedLine(number=n, error=each.refusal) for n, each in answered if each.refusal]
    accepted = [(number, each) for number, each in answered if not each.refusal]
    return SubmittedBatch(
        submitted=[each for _, each in accepted],
        numbers=[number for number, _ in accepted],
        refused=_in_order(read.refused + refused),
        lines=lines,
    )


def _in_order(refused: list[RefusedLine]) -> list[RefusedLine]:
    return sorted(refused, key=attrgetter("number"))


def _repeated(read: ReadLines) -> list[tuple[int, TaskInvalid]]:
    """The lines with an id, a key or a dedup key of a line before: not both can be new."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for number, new in zip(read.numbers, read.tasks, strict=True):
        keys = (
            ("id", new.id),
            ("idempotency_key", new.idempotency_key),
            ("dedup.key", new.dedup_key),
        )
        for name, value in keys:
            if value is not None and (first := seen.setdefault((name, value), number)) != number:
                message = f"is also that of task {first}; an atomic batch takes each once"
                found.append((number, TaskInvalid([FieldError(field=name, message=message)])))
    return found


def _replacing(read: ReadLines) -> list[tuple[int, TaskInvalid]]:
    message = "replace cancels a task, which cannot be part of an atomic batch; use return or reject"
    error = TaskInvalid([FieldError(field="dedup.mode", message=message)])
    return [
        (number, error)
        for number, new in zip(read.numbers, read.tasks, strict=True)
        if new.task.dedup is not None and new.task.dedup.mode is DedupMode.REPLACE
    ]
