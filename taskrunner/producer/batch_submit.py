"""Batch submit: many drafts from a stream, in overlapping batches, with results in the stream's order."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from operator import attrgetter
from typing import BinaryIO

from taskrunner.domain.errors import FieldError, StateConflict, StoreUnavailable, TaskInvalid
from taskrunner.domain.json_text import BOM
from taskrunner.domain.new_task import NewTask
from taskrunner.domain.submitter import Submitter
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.validation import findings_of
from taskrunner.domain.value import Value
from taskrunner.producer.intake import BATCH_KEY_MARK, Intake, Submitted
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.runtime.thread_reader import ThreadReader

_BATCH = 500
# One batch is being read while others are written and confirmed.
_OVERLAP = 4
# A task has at most one field of each pair: the field of a line overrules the other one of the command line.
EXCLUSIVE_FIELDS = {"delay": "run_at", "run_at": "delay", "body": "body_base64", "body_base64": "body"}
# Checking more on the event loop takes longer than its other clients should wait.
_LARGE_BYTES = 64 * 1024
# Some 50 ms of work, and as much as an answer should hold; 1,000 lines may have five each.
_MAX_FINDINGS = 5000
# The largest body in base64, with its headers and URL, is below this.
LINE_LIMIT_BYTES = 1024 * 1024


class RefusedLine(Value):
    """A line that is not a valid task, or whose id or key is taken; `number` counts from 1."""

    number: int
    error: TaskInvalid | StateConflict


class SubmittedBatch(Value):
    """An accepted batch. `lines` is the number of lines read up to its end.

    `numbers` are the line numbers of `submitted`.
    """

    submitted: list[Submitted]
    numbers: list[int]
    refused: list[RefusedLine]
    lines: int


class BatchSubmit:
    """Submits lines, each a URL or a JSON object with the fields of `POST /tasks`.

    `base` has the fields of every line except the URL; the fields of a JSON line overrule it. `patience` is
    how many seconds to wait for an unavailable store. Repeating a batch is safe: its ids are made before.
    `make_id` makes the id of a line from its number and text; otherwise ids are new.
    """

    def __init__(
        self,
        intake: Intake,
        base: TaskDraft,
        *,
        patience: float,
        make_id: Callable[[int, bytes], str] | None = None,
    ) -> None:
        self._make_id = make_id
        self._intake = intake
        self._base = base
        given = base.model_fields_set - {"url", "id"}
        self._defaults = {name: getattr(base, name) for name in given}
        self._patience = patience

    async def submit(self, lines: Iterable[bytes]) -> AsyncIterator[SubmittedBatch]:
        """Yield each batch once it is accepted. Raises `StoreUnavailable` after `patience` seconds."""
        reader = ThreadReader(meaningful(lines), batch=_BATCH, ahead=_BATCH * _OVERLAP)
        under_way: deque[asyncio.Task[SubmittedBatch]] = deque()
        try:
            async for batch in reader.batches():
                under_way.append(asyncio.create_task(self.submit_batch(batch)))
                # Lets the batches go out before the next lines are checked.
                await asyncio.sleep(0)
                while under_way and (not reader.ready or len(under_way) >= _OVERLAP):
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            await cancel_and_wait(*under_way)

    async def submit_batch(
        self,
        batch: list[tuple[int, bytes]],
        *,
        idempotency_key: str | None = None,
        submitter: Submitter | None = None,
    ) -> SubmittedBatch:
        """Submit numbered lines. Raises `StoreUnavailable` after `patience` seconds.

        The key holds for each line with its number, so a repeated batch makes no second task.
        """
        prepared: list[NewTask] = []
        numbers: list[int] = []
        refused: list[RefusedLine] = []
        for number, draft in await self._drafts(batch):
            try:
                if isinstance(draft, TaskInvalid):
                    raise draft
                key = idempotency_key and f"{idempotency_key}{BATCH_KEY_MARK}{number}"
                prepared.append(self._intake.prepare(draft, idempotency_key=key, submitter=submitter))
                numbers.append(number)
            except TaskInvalid as exc:
                refused.append(RefusedLine(number=number, error=exc))
        answered = list(zip(numbers, await self._persist(prepared) if prepared else [], strict=True))
        refused += [RefusedLine(number=n, error=each.refusal) for n, each in answered if each.refusal]
        accepted = [(number, each) for number, each in answered if not each.refusal]
        return SubmittedBatch(
            submitted=[each for _, each in accepted],
            numbers=[number for number, _ in accepted],
            refused=sorted(refused, key=attrgetter("number")),
            lines=batch[-1][0],
        )

    async def _drafts(self, batch: list[tuple[int, bytes]]) -> list[tuple[int, TaskDraft | TaskInvalid]]:
        """The draft of each line, or what is wrong with it; those of many bytes are made off the loop."""
        if sum(len(line) for _, line in batch) > _LARGE_BYTES:
            return await asyncio.to_thread(self._checked, batch)
        return self._checked(batch)

    def _checked(self, batch: list[tuple[int, bytes]]) -> list[tuple[int, TaskDraft | TaskInvalid]]:
        checked: list[tuple[int, TaskDraft | TaskInvalid]] = []
        findings = 0
        for number, line in batch:
            try:
                if findings > _MAX_FINDINGS:
                    raise _unchecked(findings)
                checked.append((number, self._with_id(self._draft(line), number, line)))
            except TaskInvalid as exc:
                findings += 0 if findings > _MAX_FINDINGS else findings_of(exc)
                checked.append((number, exc))
        return checked

    def _with_id(self, draft: TaskDraft, number: int, line: bytes) -> TaskDraft:
        if self._make_id is None or draft.id is not None:
            return draft
        return draft.model_copy(update={"id": self._make_id(number, line)})

    def _draft(self, line: bytes) -> TaskDraft:
        check_length(line)
        if not line.startswith(b"{"):
            # The other fields were checked with `base`.
            return self._base.with_url(_url(line), self._intake.task_settings.limits)
        draft = TaskDraft.from_json(line, self._intake.task_settings.limits)
        given_fields = draft.model_fields_set
        return draft.model_copy(
            update={
                n: v
                for n, v in self._defaults.items()
                if n not in given_fields and EXCLUSIVE_FIELDS.get(n) not in given_fields
            }
        )

    async def _persist(self, prepared: list[NewTask]) -> list[Submitted]:
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


def _unchecked(findings: int) -> TaskInvalid:
    message = f"was not checked: those before it have {findings} findings; correct them first"
    return TaskInvalid([FieldError(field="", message=message)])


def _url(line: bytes) -> str:
    """A line with a URL, plain or as a JSON string. A URL contains only UTF-8."""
    text = line.decode("utf-8", "replace")
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError as exc:
        raise TaskInvalid([FieldError(field="url", message=f"is no JSON string: {exc}")]) from exc


def bounded_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of `source`; a line that is too long is cut right after the limit."""
    size = LINE_LIMIT_BYTES + 2  # one byte too many, and the line's end
    while line := source.readline(size):
        yield line
        while len(line) == size and not line.endswith(b"\n"):
            line = source.readline(size)


def check_length(line: bytes) -> None:
    """Raises `TaskInvalid` for a line that is too long."""
    if len(line) > LINE_LIMIT_BYTES:
        message = f"the line is longer than {LINE_LIMIT_BYTES} bytes"
        raise TaskInvalid([FieldError(field="", message=message)])


def meaningful(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines, without blank lines and `#` comments."""
    for number, line in enumerate(lines, start=1):
        stripped = (line.removeprefix(BOM) if number == 1 else line).strip()
        if stripped and not stripped.startswith(b"#"):
            yield number, stripped
