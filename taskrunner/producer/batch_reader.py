"""Reads the lines of a batch: each a URL or a JSON object with the fields of `POST /tasks`."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Annotated, BinaryIO

from pydantic import StringConstraints

from taskrunner.domain.errors import (
    ExecutorDisabled,
    FieldError,
    OutsideError,
    StateConflict,
    TaskInvalid,
    TaskTooLarge,
)
from taskrunner.domain.json_text import BOM, join, members
from taskrunner.domain.tasks.client_key import KEY_PATTERN
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.submitter import Submitter
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.validation import findings_of
from taskrunner.domain.value import Value
from taskrunner.producer.intake import Intake
from taskrunner.producer.refusal import BATCH_KEY_MARK

# A task has at most one field of each pair: the field of a line overrules the other one of the command line.
EXCLUSIVE_FIELDS = {"delay": "run_at", "run_at": "delay", "body": "body_base64", "body_base64": "body"}
# Some 50 ms of work, and as much as an answer should hold; 1,000 lines may have five each.
_MAX_FINDINGS = 5000
# The largest body in base64, with its headers and URL, is below this.
LINE_LIMIT_BYTES = 1024 * 1024

NumberedLine = tuple[int, bytes]


class LineDraft(TaskDraft):
    """A task of a batch. Its own `idempotency_key` is to it what the header is to `POST /tasks`."""

    idempotency_key: Annotated[str, StringConstraints(pattern=KEY_PATTERN)] | None = None


class RefusedLine(Value):
    """A line that is not a valid task, or was not accepted; `number` counts from 1."""

    number: int
    error: TaskInvalid | StateConflict | OutsideError


class UnsureLine(Value):
    """A line for a disabled executor: refused, unless the store knows its task."""

    number: int
    task: NewTask
    error: ExecutorDisabled


class ReadLines(Value):
    """Tasks that are ready to be accepted, with their line numbers, and the lines that are no tasks."""

    tasks: list[NewTask]
    numbers: list[int]
    refused: list[RefusedLine]
    unsure: list[UnsureLine]

    def decided(self, known: Sequence[bool]) -> "ReadLines":
        """Without unsure lines: `known` says for each whether the store knows its task."""
        if not self.unsure:
            return self
        decided = list(zip(self.unsure, known, strict=True))
        tasks = dict(zip(self.numbers, self.tasks, strict=True))
        tasks |= {line.number: line.task for line, is_known in decided if is_known}
        refused = [
            RefusedLine(number=line.number, error=line.error) for line, is_known in decided if not is_known
        ]
        numbers = sorted(tasks)
        return ReadLines(
            tasks=[tasks[number] for number in numbers],
            numbers=numbers,
            refused=sorted([*self.refused, *refused], key=attrgetter("number")),
            unsure=[],
        )


class BatchReader:
    """The reader of one batch, of whose lines it may get some after others.

    `base` has the fields of every line except the URL; the fields of a JSON line overrule it. `make_id` makes
    the id of a line from its number and text; otherwise ids are new. `key` holds for each line that has none
    of its own, together with its number. `limit_bytes` is that of a line.
    """

    def __init__(
        self,
        intake: Intake,
        base: TaskDraft,
        *,
        make_id: Callable[[int, bytes], str] | None = None,
        key: str | None = None,
        submitter: Submitter | None = None,
        limit_bytes: int = LINE_LIMIT_BYTES,
    ) -> None:
        self._intake = intake
        self._base = base
        given = base.model_fields_set - {"url", "id"}
        self._defaults = {name: getattr(base, name) for name in given}
        self._make_id = make_id
        self._key = key
        self._submitter = submitter
        self._limit_bytes = limit_bytes
        self._findings = 0

    def read(self, lines: Iterable[NumberedLine]) -> ReadLines:
        """May be called in another thread than that of the event loop."""
        read = ReadLines(tasks=[], numbers=[], refused=[], unsure=[])
        for number, line in lines:
            try:
                self._read_line(number, line, read)
            except (TaskInvalid, ExecutorDisabled) as exc:
                read.refused.append(RefusedLine(number=number, error=exc))
        return read

    def _read_line(self, number: int, line: bytes, read: ReadLines) -> None:
        """Adds to `read`."""
        if self._findings > _MAX_FINDINGS:
            raise _unchecked(self._findings)
        try:
            draft = self._draft(line)
            key = draft.idempotency_key if isinstance(draft, LineDraft) else None
            # A request under a key is the same without an id of ours, which differs the next time.
            if self._make_id is not None and draft.id is None and key is None:
                draft = draft.model_copy(update={"id": self._make_id(number, line)})
            if key is None and self._key is not None:
                key = f"{self._key}{BATCH_KEY_MARK}{number}"
            try:
                read.tasks.append(self._intake.prepare(draft, idempotency_key=key, submitter=self._submitter))
                read.numbers.append(number)
            except ExecutorDisabled as exc:
                new = self._intake.prepare_repeat(draft, idempotency_key=key, submitter=self._submitter)
                if new is None:
                    raise
                read.unsure.append(UnsureLine(number=number, task=new, error=exc))
        except TaskInvalid as exc:
            self._findings += findings_of(exc)
            raise

    def _draft(self, line: bytes) -> TaskDraft:
        check_length(line, self._limit_bytes)
        limits = self._intake.task_settings.limits
        if self._base.executor is not None and line.startswith(b"{"):
            line = _with_executor(line, self._base.executor)
        if not line.startswith(b"{"):
            # The other fields were checked with `base`.
            return self._base.with_url(_url(line), limits)
        draft = LineDraft.from_json(line, limits)
        given_fields = draft.model_fields_set
        left_out = {
            n: v
            for n, v in self._defaults.items()
            if n not in given_fields and EXCLUSIVE_FIELDS.get(n) not in given_fields
        }
        # A copy takes 3.4 us, the check of a URL 1.8 us.
        return draft.model_copy(update=left_out) if left_out else draft


def _with_executor(line: bytes, name: str) -> bytes:
    """The line with this executor if it names none; an unreadable line is refused later."""
    try:
        given = members(line.decode(), is_shallow=True)
    except ValueError:
        return line
    if {"executor", "url"} & given.keys():
        return line
    return join({"executor": f'"{name}"', **given}).encode()


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
        raise TaskInvalid([FieldError(field="url", message=f"is not a JSON string: {exc}")]) from exc


def bounded_lines(source: BinaryIO) -> Iterator[bytes]:
    """The lines of `source`; a line that is too long is cut right after the limit."""
    size = LINE_LIMIT_BYTES + 2  # one byte too many, and the line's end
    while line := source.readline(size):
        yield line
        while len(line) == size and not line.endswith(b"\n"):
            line = source.readline(size)


def check_length(line: bytes, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
    """Raises `TaskTooLarge` for a line that is too long."""
    if len(line) > limit_bytes:
        message = f"the line is longer than {limit_bytes} bytes"
        raise TaskTooLarge([FieldError(field="", message=message)])


def meaningful(lines: Iterable[bytes]) -> Iterator[NumberedLine]:
    """Numbered lines, without blank lines and `#` comments."""
    for number, line in enumerate(lines, start=1):
        stripped = (line.removeprefix(BOM) if number == 1 else line).strip()
        if stripped and not stripped.startswith(b"#"):
            yield number, stripped
