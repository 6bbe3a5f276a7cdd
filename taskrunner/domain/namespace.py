"""Namespaces: the ids and names of a key that sees only its own tasks begin, in the store, with its own name.

So none of them can meet, or tell of, one of another key. The key itself neither gives nor sees the beginning.
"""

import re

from taskrunner.domain.api_key import NAME_PATTERN
from taskrunner.domain.messages import shown
from taskrunner.domain.task_fields import ID_PATTERN

# In no id and no name that a client can give.
MARK = "~"
_NAMESPACE = rf"(?:{NAME_PATTERN.pattern}{MARK})?"


def with_namespace(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """What the store has of names that fit `pattern`."""
    return re.compile(_NAMESPACE + pattern.pattern)


STORED_ID = with_namespace(ID_PATTERN)


def check_stored_id(task_id: str) -> str:
    """Raises `ValueError` for an id that no task can have: ids are used in URLs, keys and log lines."""
    if not STORED_ID.fullmatch(task_id):
        raise ValueError(f"must be 1 to 128 letters, digits or ._:-, got {shown(task_id)}")
    return task_id


def namespace_of(task_id: str) -> str:
    """The beginning of an id that its submitter does not see; an empty text for most."""
    name, mark, _ = task_id.rpartition(MARK)
    return name + mark


def without_namespace(name: str) -> str:
    """The id or name as its submitter knows it."""
    return name.rpartition(MARK)[2]
