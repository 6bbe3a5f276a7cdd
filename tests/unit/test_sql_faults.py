"""Errors of the SQL drivers: every one is told with its code and words, and known ones with what to do."""

import errno
import os
import sqlite3
from pathlib import Path

import asyncpg
import pytest

from taskrunner.domain.backends.postgres_url import read_postgres_url
from taskrunner.stores.connection import Fault
from taskrunner.stores.sql.faults import fault
from taskrunner.stores.sql.settings import PostgresDatabase, SqliteFile

SERVER = PostgresDatabase(url=read_postgres_url("postgresql://u:s3cret@h/db"))


def refusal(state: str, words: str) -> asyncpg.PostgresError:
    """As the driver makes it from the server's message."""
    made: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": state, "M": words, "S": "ERROR"})
    return made


def told(exc: Exception) -> Fault:
    found = fault(exc, SERVER)
    assert found is not None
    assert found.message.startswith(("PostgreSQL at h:5432/db ", "cannot reach PostgreSQL at h:5432/db"))
    assert "s3cret" not in found.message
    return found


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("22P05", 'character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent'),
        ("42883", "function jsonb_to_recordset(jsonb) does not exist"),
        ("55000", "object is not in prerequisite state"),
        ("25P02", "current transaction is aborted"),
        ("P0001", "raised by a trigger"),
        ("72000", "snapshot too old"),
        ("0LP01", "invalid grant operation"),
        ("QQ123", "an extension's own code"),
    ],
)
def test_an_unknown_state_is_told_and_no_outage(state: str, words: str) -> None:
    found = told(refusal(state, words))
    assert f"({state}: {words})" in found.message
    assert (found.unknown, found.answers, found.unfit) == (state, True, False)


@pytest.mark.parametrize(
    ("state", "words"),
    [("08007", "transaction lost"), ("58030", "could not read block"), ("XX000", "cache lookup failed")],
)
def test_an_unknown_state_of_a_broken_server_is_an_outage(state: str, words: str) -> None:
    found = told(refusal(state, words))
    assert f"({state}: {words})" in found.message
    assert (found.unknown, found.answers) == (state, False)


@pytest.mark.parametrize("state", ["08000", "08001", "08003", "08006"])
def test_a_lost_connection_is_an_outage_whose_code_is_known(state: str) -> None:
    """The server died under a call; which code the driver gives depends on the moment."""
    found = fault(refusal(state, "connection was closed in the middle of operation"), SERVER)
    assert found is not None
    assert found.message.startswith("lost the connection to PostgreSQL at h:5432/db")
    assert (found.unknown, found.answers, found.unfit, found.undone) == ("", False, False, True)


@pytest.mark.parametrize(
    ("state", "words", "advice"),
    [
        ("42501", "permission denied for sequence taskrunner_x_seq", "denies our user a permission"),
        ("42P01", 'relation "taskrunner_tasks" does not exist', "run `taskrunner db upgrade`"),
        ("3F000", "no schema has been selected to create in", "search_path"),
        ("28000", 'no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf"),
        ("53100", "could not extend file", "its disk is full"),
        ("55P03", "canceling statement due to lock timeout", "did not grant a lock"),
    ],
)
def test_a_known_state_keeps_the_words_that_name_the_culprit(state: str, words: str, advice: str) -> None:
    found = told(refusal(state, words))
    assert advice in found.message
    assert words in found.message
    assert not found.unknown


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("40001", "could not serialize access"),
        ("40P01", "deadlock detected"),
        ("53300", "sorry, too many clients already"),
        ("08P01", "no more connections allowed (max_client_conn)"),
        ("08P01", "query_wait_timeout"),
    ],
)
def test_contention_is_tried_again_and_no_outage(state: str, words: str) -> None:
    found = told(refusal(state, words))
    assert (found.undone, found.answers) == (True, True)
    assert words in found.message


def test_a_file_of_the_home_that_cannot_be_read_is_named() -> None:
    """It is not the server that cannot be reached."""
    found = told(PermissionError(13, "Permission denied", "/root/.postgresql/root.crt"))
    assert "/root/.postgresql/root.crt cannot be read (Permission denied)" in found.message
    assert "set HOME" in found.message
    assert found.unfit


def sqlite_error(code: int, name: str, words: str) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError(words)
    made.sqlite_errorcode, made.sqlite_errorname = code, name
    return made


@pytest.mark.parametrize(
    ("code", "free", "reason"),
    [
        (5, 9, "is locked by another process"),
        (517, 9, "is locked by another process"),
        (3850, 9, "cannot be locked by SQLite"),
        (5130, 9, "cannot be locked by SQLite"),
        (13, 9, "its disk is full"),
        (778, 9, "cannot be read or written"),
        (778, 0, "its disk is full"),
        (4874, 0, "its disk is full"),
    ],
)
def test_a_full_disk_and_a_lock_are_told_apart(
    code: int, free: int, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SQLite calls both an I/O error where another file than the database is meant."""
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:4], free, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    found = fault(sqlite_error(code, "SQLITE_X", "disk I/O error"), SqliteFile(path=tmp_path / "x.db"))
    assert found is not None
    assert reason in found.message


def test_an_unknown_code_of_sqlite_is_told(tmp_path: Path) -> None:
    found = fault(
        sqlite_error(25, "SQLITE_RANGE", "column index out of range"), SqliteFile(path=tmp_path / "x")
    )
    assert found is not None
    assert "(SQLITE_RANGE: column index out of range)" in found.message
    assert (found.unknown, found.answers) == ("SQLITE_RANGE", True)


@pytest.mark.parametrize(("code", "name"), [(14, "SQLITE_CANTOPEN"), (778, "SQLITE_IOERR_WRITE")])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_file_that_cannot_be_opened_for_want_of_descriptors_is_no_fault_of_its_folder(
    code: int, name: str, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It will be opened again, so the store is not unfit."""

    def refuse(*_: object) -> int:
        raise OSError(number, "Too many open files")

    database = SqliteFile(path=tmp_path / "x.db")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        found = fault(sqlite_error(code, name, "unable to open database file"), database)
    assert found is not None
    assert found.message.endswith("has no file descriptors left (ulimit -n)")
    assert (found.unfit, found.answers) == (False, False)
