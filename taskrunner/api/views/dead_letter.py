"""The views of dead letters."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Self

import orjson

from taskrunner.api.views.task import as_text
from taskrunner.api.views.view import View
from taskrunner.domain.masking import masked_url
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.producer.dead_letter_groups import LetterGroups


class DeadLetterView(View):
    """A failed task, or a message that could not be read."""

    id: str
    kind: DeadLetterKind
    reason: str
    error: str | None
    died_at: AwareDatetime
    queue: str | None
    executor: str | None
    url: str | None
    attempt: int | None
    outcome: OutcomeKind | None
    labels: Mapping[str, str]
    created_at: AwareDatetime | None
    task_url: str | None

    @classmethod
    def of(cls, letter: DeadLetter, *, prefix: str = "", **more: Any) -> Self:
        """`prefix` goes before the paths of links."""
        return cls.copy(
            letter,
            queue=letter.queue,
            url=None if letter.url is None else masked_url(letter.url),
            task_url=f"{prefix}/tasks/{letter.id}" if letter.kind is DeadLetterKind.TASK else None,
            **more,
        )


class DeadLetterDetail(DeadLetterView):
    """A dead letter with the message as it arrived: in base64, and as text if it is UTF-8."""

    x_death: Any
    raw_base64: str | None
    raw_text: str | None

    @classmethod
    def of_letter(cls, letter: DeadLetter, *, prefix: str = "") -> Self:
        raw = letter.raw
        return cls.of(
            letter,
            prefix=prefix,
            x_death=_json_or_text(letter.x_death),
            raw_base64=None if raw is None else base64.b64encode(raw).decode(),
            raw_text=None if raw is None else as_text(raw, cut=False),
        )


class DeadLetterPage(View):
    """A part of a list, the newest first; `next_cursor` asks for the next part."""

    dead_letters: Sequence[DeadLetterView]
    next_cursor: str | None


class LetterGroupView(View):
    """Dead letters of the same `executor`, `host` and `reason`, as the conditions of lists name them.

    `counts` are how many came in each of the `buckets`; the others are older.
    """

    executor: str | None
    host: str | None
    reason: str
    count: int
    counts: Sequence[int]
    first_at: AwareDatetime
    last_at: AwareDatetime


class LetterGroupsView(View):
    """The largest groups of the newest dead letters that match: `counted` in all, `other` in further groups.

    `buckets` are when each begins. Unless it is `complete`, only those since `since` were looked at.
    """

    groups: Sequence[LetterGroupView]
    buckets: Sequence[AwareDatetime]
    counted: int
    other: int
    complete: bool
    since: AwareDatetime | None

    @classmethod
    def of(cls, found: LetterGroups) -> Self:
        return cls.copy(found, groups=[LetterGroupView.copy(each) for each in found.groups])


def _json_or_text(text: str | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
