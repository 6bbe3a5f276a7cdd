"""Turns the drivers' errors into messages for people, and tells which of them are outages."""

import errno
import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from taskrunner.runtime.descriptors import open_and_close
from taskrunner.stores.connection import Fault
from taskrunner.stores.sql.settings import Database, SqliteFile

_UPGRADE = "lacks a table or a column: run `taskrunner db upgrade`"
# https://www.sqlite.org/rescode.html, primary codes: reason, answers, unfit.
_SQLITE: dict[int, tuple[str, bool, bool]] = {
    3: ("may not be accessed: check the permissions of the file and its folder", False, True),
    5: ("is locked by another process: end whatever holds it (a shell, a backup)", True, False),
    6: ("is locked by another connection", True, False),
    7: ("cannot be used: SQLite is out of memory", False, False),
    8: ("is read-only: make the file and its folder writable for this user", True, True),
    10: ("cannot be read or written: check its disk, limits on file sizes, the kernel's log", False, False),
    11: ("is damaged: stop taskrunner and restore a backup, or try sqlite3's .recover", False, True),
    13: ("cannot grow: its disk is full; free some space", True, False),
    14: ("cannot be opened: check that its folder exists and is writable for this user", False, True),
    15: ("is locked in a way that SQLite cannot resolve; is it on a network file system?", False, False),
    26: ("is not a database: give the path of another file; this one was not touched", False, True),
}
_IO_ERROR, _FULL, _CANNOT_OPEN = 10, 13, 14
# A database in WAL mode has three files.
_FILES = 3
_NO_DESCRIPTORS = ("cannot be opened: this process has no file descriptors left (ulimit -n)", False, False)
_UNLOCKABLE = ("cannot be locked by SQLite: is it on a network file system?", False, False)
# SQLITE_IOERR_UNLOCK, _RDLOCK, _CHECKRESERVEDLOCK, _LOCK, _SHMLOCK.
_SQLITE_EXTENDED = dict.fromkeys((2058, 2314, 3594, 3850, 5130), _UNLOCKABLE)
# https://www.postgresql.org/docs/current/errcodes-appendix.html: reason, answers, unfit.
_POSTGRES: dict[str, tuple[str, bool, bool]] = {
    "28P01": ("refuses our password: check the URL", False, True),
    "28000": ("refuses our user: check the URL and pg_hba.conf", False, True),
    "3D000": ("has no database of this name: create it (createdb)", False, True),
    "42501": ("denies our user a permission that taskrunner needs", False, True),
    "42P01": (_UPGRADE, True, True),
    "42703": (_UPGRADE, True, True),
    "25006": (
        "is read-only: point the URL at the primary, or turn default_transaction_read_only off",
        True,
        False,
    ),
    "53100": ("takes no writes: its disk is full", True, False),
    "53200": ("is out of memory", False, False),
    "55P03": ("did not grant a lock in time", True, False),
    "3F000": (
        "has none of the schemas in our search path: create one, or name another by search_path",
        False,
        True,
    ),
    "57014": ("cancelled our statement: it took too long", False, False),
    "57P01": ("is shutting down", False, False),
    "57P02": ("has crashed and recovers", False, False),
    "57P03": ("is starting up or shutting down", False, False),
}
# Rolled back by the server: serialization, deadlock, a lost race for an id or a key, a stale plan; and a
# connection that was not made, since all places are taken.
_UNDONE = frozenset({"40001", "40P01", "23505", "0A000", "53300"})
# "Connection exceptions": the driver gives them to a connection that the death of the server has closed.
_CONNECTION_LOST = frozenset({"08000", "08001", "08003", "08006"})
# PgBouncer has no code of its own for it: https://www.pgbouncer.org/config.html#max_client_conn
_NO_PLACE = ("no more connections allowed", "query_wait_timeout")
_CROWDED = (
    "has no connection left for us: raise its limits (max_connections; behind PgBouncer, max_client_conn)"
)
# A pooler that hides itself took the session away between two statements.
LOST_STATEMENT = frozenset({"26000", "42P05"})


def fault(exc: BaseException, database: Database) -> Fault | None:
    """The fault of the database that `exc` shows; None when the fault is ours."""
    where = f"{database.title} {database}"
    origin = _origin(exc)
    if isinstance(origin, sqlite3.Error):
        return _sqlite(origin, where, Path(str(database)))
    state = getattr(origin, "sqlstate", None)
    if isinstance(state, str):
        return _postgres(state, origin, where)
    if isinstance(origin, PoolTimeout):
        return Fault(message=f"{where}: all of our connections were busy for too long", answers=True)
    if isinstance(origin, TimeoutError):
        return Fault(message=f"{where} did not answer in time")
    if isinstance(origin, PermissionError) and isinstance(database, SqliteFile):
        return Fault(message=f"{where} {_SQLITE[3][0]}", unfit=True)
    if isinstance(origin, OSError) and origin.filename and not isinstance(database, SqliteFile):
        # The driver also looks into the home folder, for a password and for certificates.
        return Fault(
            message=f"{where} was not dialled, since {origin.filename} cannot be read ({origin.strerror}): "
            "make it readable for our user, set HOME to a folder that is, or name the file in the URL",
            unfit=True,
        )
    if isinstance(origin, OSError):
        return Fault(message=f"cannot reach {where}: {_brief(origin)}", undone=True)
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return Fault(message=f"lost the connection to {where}: {_brief(origin)}", undone=True)
    if _is_driver_error(origin):
        unfit = type(origin).__name__ == "ClientConfigurationError"
        return Fault(message=f"{where} failed: {_brief(origin)}", unfit=unfit, unknown=type(origin).__name__)
    return None


def _sqlite(exc: sqlite3.Error, where: str, path: Path) -> Fault:
    code = getattr(exc, "sqlite_errorcode", None)
    known = None
    if isinstance(code, int):
        known = _SQLITE_EXTENDED.get(code) or _SQLITE.get(code & 0xFF)
        if code & 0xFF == _IO_ERROR and _disk_is_full(path):
            known = _SQLITE[_FULL]
        if code & 0xFF in {_IO_ERROR, _CANNOT_OPEN} and not _has_descriptors():
            known = _NO_DESCRIPTORS
    if known is not None:
        reason, answers, unfit = known
        return Fault(message=f"{where} {reason}", answers=answers, unfit=unfit)
    text = str(exc)
    if text.startswith(("no such table", "no such column")):
        return Fault(message=f"{where} {_UPGRADE}", answers=True, unfit=True)
    name = getattr(exc, "sqlite_errorname", type(exc).__name__)
    return Fault(message=f"{where} failed ({name}: {_brief(exc)})", answers=True, unknown=name)


def _disk_is_full(path: Path) -> bool:
    """SQLite also reports a full disk as an I/O error, for its files beside the database."""
    try:
        return os.statvfs(path.parent).f_bavail == 0
    except OSError:
        return False


def _has_descriptors() -> bool:
    try:
        open_and_close(_FILES)
    except OSError as exc:
        return exc.errno not in {errno.EMFILE, errno.ENFILE}
    return True


def _postgres(state: str, exc: BaseException, where: str) -> Fault:
    told = f"({state}: {_brief(exc)})"
    if state == "53300" or _brief(exc).startswith(_NO_PLACE):
        return Fault(message=f"{where} {_CROWDED} {told}", answers=True, undone=True)
    if state in _UNDONE:
        return Fault(message=f"{where} was too contended {told}", answers=True, undone=True)
    if state in _POSTGRES:
        reason, answers, unfit = _POSTGRES[state]
        message = f"{where} {reason} {told}"
        return Fault(message=message, answers=answers, unfit=unfit, undone=state.startswith("57P0"))
    if state in _CONNECTION_LOST:
        return Fault(message=f"lost the connection to {where} {told}", undone=True)
    message = f"{where} failed {told}"
    if state.startswith(("08", "53", "57", "58", "XX")):
        return Fault(message=message, undone=state.startswith("08"), unknown=state)
    return Fault(message=message, answers=True, undone=state in LOST_STATEMENT, unknown=state)


def _origin(exc: BaseException) -> BaseException:
    """The driver's own error: SQLAlchemy wraps it, and its adapter for asyncpg wraps it once more."""
    if isinstance(exc, DBAPIError) and exc.orig is not None:
        exc = exc.orig
    if not isinstance(exc, sqlite3.Error) and exc.__cause__ is not None:
        return exc.__cause__
    return exc


def _is_driver_error(exc: BaseException) -> bool:
    return type(exc).__module__.partition(".")[0] == "asyncpg"


def _brief(exc: BaseException) -> str:
    text = str(exc).strip() or type(exc).__name__
    return text.splitlines()[0].rstrip(".")
