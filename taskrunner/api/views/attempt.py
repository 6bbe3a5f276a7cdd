"""The view of one attempt: the request, the answer, and where the time went."""

from collections.abc import Iterator, Sequence
from typing import Literal, Self

from taskrunner.api.views.task import AttemptView, HeaderView, ResponseView, TimingsView
from taskrunner.api.views.view import View
from taskrunner.domain.errors import AttemptUnknown
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.tasks.attempt_headers import request_headers
from taskrunner.domain.tasks.outcome import Response, Timings
from taskrunner.domain.tasks.record import Attempt, Record

PhaseName = Literal["redirects", "dns", "connect", "tls", "wait", "receive"]


class RequestView(View):
    """What was sent. Headers that may be secret are masked, the body is not shown.

    `auth` and `signed_by` name what added headers that are made for each attempt.
    """

    method: str
    url: str
    headers: Sequence[HeaderView]
    body_size: int
    signed_by: str | None
    auth: str | None

    @classmethod
    def of(cls, record: Record, attempt: int, masking: Masking, *, user_agent: str) -> Self | None:
        """None for a task that is no request."""
        task = record.task
        if task.url is None:
            return None
        headers = masking.headers(request_headers(task, attempt, user_agent))
        return cls.copy(
            task,
            url=masked_url(task.url),
            headers=[HeaderView(name=name, value=value) for name, value in headers.items()],
            body_size=0 if task.content is None else len(task.content),
        )


class AttemptPhase(View):
    """A part of an attempt, in seconds since its start."""

    phase: PhaseName
    start: float
    end: float

    @classmethod
    def of(cls, name: PhaseName, start: float, end: float) -> Self:
        return cls(phase=name, start=round(start, 6), end=round(end, 6))


class AttemptDetail(AttemptView):
    """An attempt with all that is known of it. Answers before the last may lack some headers.

    `request` is null for a task that is no request, since its executor is not of the kind http.
    """

    task_id: str
    request: RequestView | None
    response: ResponseView | None
    timings: TimingsView | None
    waterfall: Sequence[AttemptPhase]

    @classmethod
    def of_record(
        cls, record: Record, number: int, masking: Masking, *, user_agent: str, known_as: str | None = None
    ) -> Self:
        """One attempt. Raises `AttemptUnknown` if the task has no attempt of this number.

        `user_agent` is what consumers send for tasks without a User-Agent of their own; `known_as` the id by
        which the caller knows the task.
        """
        attempt = next((each for each in record.attempts if each.number == number), None)
        if attempt is None:
            raise AttemptUnknown(
                f"task {record.task.id} has no attempt {number}, but {len(record.attempts)} of them"
            )
        response = _response(record, attempt)
        timings = attempt.timings if response is None else response.timings
        redirects = 0 if response is None else response.redirects
        return cls.of(
            attempt,
            task_id=known_as or record.task.id,
            request=RequestView.of(record, number, masking, user_agent=user_agent),
            response=None if response is None else ResponseView.of(response, masking),
            timings=None if timings is None else TimingsView.of(timings),
            waterfall=[] if timings is None else list(waterfall(timings, redirects)),
        )


class AttemptList(View):
    """All attempts of a task, in order."""

    attempts: Sequence[AttemptDetail]

    @classmethod
    def of(cls, record: Record, masking: Masking, *, user_agent: str, known_as: str | None = None) -> Self:
        details = [
            AttemptDetail.of_record(record, each.number, masking, user_agent=user_agent, known_as=known_as)
            for each in record.attempts
        ]
        return cls(attempts=details)


def waterfall(timings: Timings, redirects: int) -> Iterator[AttemptPhase]:
    """The phases in order, in seconds since the start of the attempt.

    After redirects only the last request was timed: everything before it, and its body, is the phase
    `redirects`.
    """
    before = max(0.0, timings.total - timings.first_byte) if redirects else 0.0
    if before:
        yield AttemptPhase.of("redirects", 0.0, before)
    marks: list[tuple[PhaseName, float]] = [
        ("dns", timings.dns),
        ("connect", timings.connect),
        ("tls", timings.tls),
        ("wait", timings.first_byte),
        ("receive", 0.0 if redirects else timings.total),
    ]
    start = 0.0
    for name, end in marks:
        # A phase that was not needed, such as the dial of a reused connection, has no end.
        if end > start:
            yield AttemptPhase.of(name, before + start, before + end)
            start = end


def _response(record: Record, attempt: Attempt) -> Response | None:
    """The record's result belongs to the attempt that ended last; earlier attempts keep their own heads."""
    ended = max((each.number for each in record.attempts if each.finished_at is not None), default=0)
    return record.result if attempt.number == ended else attempt.response
