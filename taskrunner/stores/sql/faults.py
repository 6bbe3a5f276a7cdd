"""Turns the drivers' errors into messages for people, and tells which of them are outages."""

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

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
    10: (
        "cannot be read or written: check its disk (is it full?), limits on file sizes, the kernel's log",
        False,
        False,
    ),
    11: ("is damaged: stop taskrunner and restore a backup, or try sqlite3's .recover", False, True),
    13: ("cannot grow: its disk is full; free some space", True, False),
    14: ("cannot be opened: check that its folder exists and is writable for this user", False, True),
    15: ("is locked in a way that SQLite cannot resolve; is it on a network file system?", False, False),
    26: ("is not a database: give the path of another file; this one was not touched", False, True),
}
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
    "53300": ("has no connection left for us: raise max_connections or lower our pool size", False, False),
    "55P03": ("did not grant a lock in time", True, False),
    "57014": ("cancelled our statement: it took too long", False, False),
    "57P01": ("is shutting down", False, False),
    "57P02": ("has crashed and recovers", False, False),
    "57P03": ("is starting up or shutting down", False, False),
}
# Rolled back by the server: serialization, deadlock, a lost race for an id or a key, a stale plan.
_UNDONE = frozenset({"40001", "40P01", "23505", "0A000"})


def fault(exc: BaseException, database: Database) -> Fault | None:
    """The fault of the database that `exc` shows; None when the fault is ours."""
    where = f"{database.title} {database}"
    origin = _origin(exc)
    if isinstance(origin, sqlite3.Error):
        return _sqlite(origin, where)
    state = getattr(origin, "sqlstate", None)
    if isinstance(state, str):
        return _postgres(state, origin, where)
    if isinstance(origin, PoolTimeout):
        return Fault(message=f"{where}: all of our connections were busy for too long", answers=True)
    if isinstance(origin, TimeoutError):
        return Fault(message=f"{where} did not answer in time")
    if isinstance(origin, PermissionError) and isinstance(database, SqliteFile):
        return Fault(message=f"{where} {_SQLITE[3][0]}", unfit=True)
    if isinstance(origin, OSError):
        return Fault(message=f"cannot reach {where}: {_brief(origin)}", undone=True)
    if isinstance(exc, DBAPIError) and exc.connection_invalidated:
        return Fault(message=f"lost the connection to {where}: {_brief(origin)}", undone=True)
    if _is_driver_error(origin):
        return Fault(message=f"{where} failed: {_brief(origin)}")
    return None


def _sqlite(exc: sqlite3.Error, where: str) -> Fault | None:
    code = getattr(exc, "sqlite_errorcode", None)
    known = _SQLITE.get(code & 0xFF) if isinstance(code, int) else None
    if known is not None:
        reason, answers, unfit = known
        return Fault(message=f"{where} {reason}", answers=answers, unfit=unfit)
    text = str(exc)
    if text.startswith(("no such table", "no such column")):
        return Fault(message=f"{where} {_UPGRADE}", answers=True, unfit=True)
    return None


def _postgres(state: str, exc: BaseException, where: str) -> Fault | None:
    if state in _UNDONE:
        return Fault(message=f"{where} was too contended: {_brief(exc)}", answers=True, undone=True)
    if state in _POSTGRES:
        reason, answers, unfit = _POSTGRES[state]
        return Fault(
            message=f"{where} {reason}", answers=answers, unfit=unfit, undone=state.startswith("57P0")
        )
    if state.startswith(("08", "53", "57", "58", "XX")):
        return Fault(message=f"{where} failed: {_brief(exc)}", undone=state.startswith("08"))
    return None


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
