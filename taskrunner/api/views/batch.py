"""The views of a batch: one item for each task that was sent."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Literal, Self

from taskrunner.api.http.problems import findings_in, problem_of
from taskrunner.api.views.view import View
from taskrunner.domain.errors import FieldError, OutsideError
from taskrunner.domain.masking import masked_url
from taskrunner.domain.value import replace
from taskrunner.producer.batch_reader import RefusedLine
from taskrunner.producer.batch_submit import SubmittedBatch
from taskrunner.producer.intake import Submitted


class BatchItem(View):
    """The result of one task of a batch: the `status` of `POST /tasks`, with the `id` (200, 202) or `errors`.

    200: the task `id` holds the dedup key. `line` counts from 1. `created` is false for an id or a key that
    existed before. `code` is that of the problem which `POST /tasks` would answer. 503: send this task again.
    """

    line: int
    status: Literal[200, 202, 400, 409, 413, 422, 503]
    code: str | None
    id: str | None
    url: str | None
    created: bool
    published: bool
    errors: Sequence[FieldError]

    @classmethod
    def of_accepted(cls, line: int, submitted: Submitted, *, shown: Callable[[str], str]) -> Self:
        return cls(
            line=line,
            status=200 if submitted.deduplicated else 202,
            code=None,
            id=shown(submitted.id),
            url=masked_url(submitted.task.url),
            created=submitted.created,
            published=submitted.published,
            errors=(),
        )

    @classmethod
    def of_refused(cls, refused: RefusedLine, *, shown: Callable[[str], str]) -> Self:
        """`shown` makes the ids in a text what the caller knows."""
        error, problem = refused.error, problem_of(refused.error)
        if problem is None:
            raise error
        if isinstance(error, OutsideError):
            errors: Sequence[FieldError] = [FieldError(field="", message=problem.detail)]
        else:
            errors = [replace(each, message=shown(each.message)) for each in findings_in(error)]
        return cls.copy(
            problem,
            line=refused.number,
            id=None,
            url=None,
            created=False,
            published=False,
            errors=errors,
        )


class BatchAnswer(View):
    """One item for each task that was sent, in its order."""

    items: Sequence[BatchItem]


def items_of(done: SubmittedBatch, *, shown: Callable[[str], str]) -> list[BatchItem]:
    """In the order of the lines."""
    accepted = zip(done.numbers, done.submitted, strict=True)
    items = [BatchItem.of_accepted(number, each, shown=shown) for number, each in accepted]
    if not done.refused:
        return items
    items += [BatchItem.of_refused(each, shown=shown) for each in done.refused]
    return sorted(items, key=attrgetter("line"))
