"""Which tasks a `ListTasksRequest` selects."""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.api.http.parameters import BAD_CURSOR, LIMIT, TASK_CURSOR
from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.tasks.task_filter import TaskFilter, TaskOrder, read_filter
from taskrunner.domain.value import Value
from taskrunner.grpc.messages import fields_of
from taskrunner.v1 import task_executor_pb2 as pb

# Fields that are no conditions.
_OTHERS = ("page_size", "page_token", "oldest_first", "labels")


class TaskSelection(Value):
    """What a page has, and where it begins."""

    conditions: TaskFilter
    order: TaskOrder
    limit: int
    cursor: str | None


def read_selection(request: pb.ListTasksRequest, now: datetime) -> TaskSelection:
    """Raises `FilterInvalid`."""
    fields = fields_of(request, FilterInvalid)
    given: dict[str, Sequence[str]] = {name: [value] for name, value in fields.items() if name not in _OTHERS}
    for name in request.labels:
        if not name or "=" in name:
            raise FilterInvalid([FieldError(field="labels", message="a name must not be empty or have =")])
    if request.labels:
        given["label"] = [f"{name}={value}" if value else name for name, value in request.labels.items()]
    return TaskSelection(
        conditions=read_filter(given, now=now),
        order=TaskOrder.OLDEST if request.oldest_first else TaskOrder.NEWEST,
        limit=_limit(request.page_size),
        cursor=_cursor(request.page_token),
    )


def bad_page_token() -> FilterInvalid:
    """The refusal of a page token that we did not give out."""
    return FilterInvalid([FieldError(field="page_token", message=BAD_CURSOR)])


def _limit(page_size: int) -> int:
    try:
        return LIMIT.read(str(page_size)) if page_size else LIMIT.default
    except ValueError as exc:
        raise FilterInvalid([FieldError(field="page_size", message=str(exc))]) from exc


def _cursor(page_token: str) -> str | None:
    try:
        return TASK_CURSOR.read(page_token) if page_token else None
    except ValueError as exc:
        raise bad_page_token() from exc
