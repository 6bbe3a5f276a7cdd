"""Turns the driver's errors into messages for people, and tells which of them are outages."""

import re

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - the driver's name
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.stores.connection import Fault

_REFUSAL = "refuses our user or password: check Redis.user and Redis.password"
_REASONS = {
    "LOADING": "is still loading its data from disk",
    "READONLY": "is a read-only replica: point Redis.addr at the primary",
    "MASTERDOWN": "is a replica that has lost its primary: point Redis.addr at the primary",
    "OOM": "is out of memory and takes no writes: raise its maxmemory or shorten the retention",
    "MISCONF": "cannot save to disk and takes no writes: see its log and the free space on its disk",
    "NOREPLICAS": "has too few replicas in step and takes no writes: see min-replicas-to-write",
    "BUSY": "is busy with another client's long script",
    "CLUSTERDOWN": "belongs to a cluster that is down",
    "MOVED": "is a cluster node without our slot: the node that has it is asked next",
    # While a slot moves, a script would find a part of our keys on each of two nodes.
    # https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#live-reconfiguration
    "ASK": "is a cluster node whose slot with our keys is moving: calls wait until the move is over",
    "TRYAGAIN": "is a cluster node whose slot with our keys is moving: calls wait until the move is over",
    "NOAUTH": _REFUSAL,
    "WRONGPASS": _REFUSAL,
    "NOPERM": "forbids a command to our user: its ACL must allow all commands of scripts on our keys",
    "SELECT": "has no database of that number: check Redis.db (its own setting is databases)",
}
_ANSWERING = frozenset({"OOM", "MISCONF", "NOREPLICAS"})
# The driver turns some codes into classes and drops them from the text; Redis 6.2 puts a script's code mid-te
_CLASSES: tuple[tuple[type[RedisError], str], ...] = (
    (BusyLoadingError, "LOADING"),
    (AuthenticationError, "WRONGPASS"),
    (NoPermissionError, "NOPERM"),
    (ReadOnlyError, "READONLY"),
    (MasterDownError, "MASTERDOWN"),
    (OutOfMemoryError, "OOM"),
    (MovedError, "MOVED"),
    (AskError, "ASK"),
    (TryAgainError, "TRYAGAIN"),
    (ClusterDownError, "CLUSTERDOWN"),
)
# Errors without a code: NOPERM within a script, by Redis 7 and by Redis 8, and the refusal of SELECT.
_TEXTS = (
    ("The user executing the script can't", "NOPERM"),
    ("ACL failure in script", "NOPERM"),
    ("DB index is out of range", "SELECT"),
)
_CODE = re.compile(rf"(?:^|-)({'|'.join(_REASONS)})\b")

_ERROR_CODE = re.compile(r"[A-Z]{2,}(?=\s)")
_ARGUMENTS = re.compile(r",? with args beginning with.*", re.DOTALL)
_DIALLING = re.compile(r"^Error -?\d+ connecting to \S+\. ")


def fault(exc: Exception, server: str) -> Fault | None:
    """The fault of `server` that `exc` shows; None when it is none: a script must be loaded again."""
    code = _code(exc)
    if code is not None:
        message = f"Redis at {server} {_REASONS[code]}{_culprit(exc, code)}"
        return Fault(message=message, answers=code in _ANSWERING)
    if isinstance(exc, NoScriptError):
        return None
    if isinstance(exc, ResponseError):
        found = _ERROR_CODE.match(str(exc))
        unknown = found[0] if found else "ERR"
        return Fault(
            message=f"Redis at {server} refused a command: {_brief(exc)}", answers=True, unknown=unknown
        )
    if isinstance(exc, ConnectionError | OSError):
        return Fault(message=f"cannot reach Redis at {server}: {_brief(exc)}")
    if isinstance(exc, RedisError):
        return Fault(message=f"Redis at {server} failed: {_brief(exc)}")
    return None


def is_forbidden(exc: Exception) -> bool:
    """Whether an ACL forbids something to our user."""
    return _code(exc) == "NOPERM"


def _code(exc: Exception) -> str | None:
    for kind, code in _CLASSES:
        if isinstance(exc, kind):
            return code
    if not isinstance(exc, ResponseError):
        return None
    text = str(exc)
    for part, code in _TEXTS:
        if part in text:
            return code
    found = _CODE.search(text)
    return found[1] if found else None


def _culprit(exc: Exception, code: str) -> str:
    """The part of a message that names the command that an ACL forbids, or the new node of a slot."""
    if isinstance(exc, MovedError):
        return f" ({shown_place((exc.host, exc.port))})"
    return f" ({_brief(exc)})" if code == "NOPERM" else ""


def _brief(exc: Exception) -> str:
    text = str(exc).strip() or type(exc).__name__
    # The arguments of a command are the values of a task.
    text = _ARGUMENTS.sub("", text)
    # The driver's "Error 111 connecting to HOST:PORT. Connection refused." repeats the address.
    return _DIALLING.sub("", text.splitlines()[0]).rstrip(".")
