"""A queue: a named line of tasks. Owns the names that a queue may have, and the queues that always exist."""

import re
from collections.abc import Collection, Mapping

from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.value import Value

# The queues that always exist, with their weights. A full queue slows the others but starves none: low still
# gets one turn in 21.
DEFAULT_WEIGHTS: Mapping[str, int] = {"high": 16, "medium": 4, "low": 1}
DEFAULT_QUEUES = tuple(DEFAULT_WEIGHTS)
# For tasks that name neither queue nor priority.
DEFAULT_QUEUE = "medium"
MAX_QUEUES = 100
MAX_QUEUE_NAME = 64
MAX_WEIGHT = 1000
QUEUE_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_QUEUE_NAME}}}")
# How the names of the queues of remote executors begin, which nobody declares.
REMOTE_PREFIX = "remote."
# The names of a queue and an exchange that hold no waiting tasks.
_RESERVED = frozenset({"dead", "dlx"})
# In the message about a name that is not declared.
_MOST_LISTED = 10


class QueueCounts(Value):
    """The ready messages of a queue, and the subscriptions to it, as the broker counts them.

    A cancelled subscription may count until its last delivery is acknowledged: quorum queues do that.
    """

    ready: int
    consumers: int


def check_queue_name(text: str) -> str:
    """A name that a queue may have. Raises `ValueError`."""
    if not QUEUE_NAME.fullmatch(text):
        raise ValueError(f"must be 1 to {MAX_QUEUE_NAME} letters, digits, _ or -, got {shown(text)}")
    return text


def is_queue_name(text: str) -> bool:
    """Whether a queue of tasks may have this name."""
    return QUEUE_NAME.fullmatch(text.removeprefix(REMOTE_PREFIX)) is not None and text not in _RESERVED


def is_remote(queue: str) -> bool:
    """Whether the tasks of this queue run at remote workers."""
    return queue.startswith(REMOTE_PREFIX)


def check_new_queue(text: str) -> str:
    """As `check_queue_name`, for a queue to declare."""
    if text in _RESERVED:
        raise ValueError(f"must not be {shown(text)}, which is a name of taskrunner's own in RabbitMQ")
    return check_queue_name(text)


def check_declared(name: str, declared: Collection[str]) -> str:
    """The name of a queue that is declared. Raises `ValueError`."""
    if name in declared:
        return name
    some, others = list(declared)[:_MOST_LISTED], max(0, len(declared) - _MOST_LISTED)
    known = f"{', '.join(some)}{f' and {others} more' if others else ''}"
    raise ValueError(f"must be a declared queue ({known}), got {shown(name)}{did_you_mean(name, declared)}")
