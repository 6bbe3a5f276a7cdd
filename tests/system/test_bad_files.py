"""The commands on a SQLite file that cannot be used: exit 3, one line that says what to do, no damage."""

import ctypes
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.harness.refusal import ALL, CONSUME, DEV, PRODUCE, UPGRADE, command, refused

_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1
_SMALL_BYTES = 8192


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a task in it, to be copied."""
    file = tmp_path_factory.mktemp("made") / "taskrunner.db"
    for words in (UPGRADE, PRODUCE):
        done = on(file, *words)
        assert done.returncode == 0, done.stderr
    assert [path.name for path in file.parent.iterdir()] == [file.name], "it is closed"
    return file


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Iterator[Path]:
    """The same, which is whole and has its task after the test too."""
    file = Path(shutil.copy(made, tmp_path))
    yield file
    file.parent.chmod(0o700)
    file.chmod(0o600)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM taskrunner_tasks").fetchone() == (1,)


def on(
    file: Path, *words: str, before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    """A command with this file, in its folder."""
    return command(file.parent, f"sqlite:///{file}", *words, before=before)


def without_privilege() -> None:
    """Root may write to what is read-only, unless it gives that up."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


def with_small_files() -> None:
    """Like a full disk, as far as one can be had without a file system of one's own."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL_BYTES, _SMALL_BYTES))


@pytest.mark.parametrize("words", [ALL, PRODUCE], ids=" ".join)
def test_a_locked_file(file: Path, words: tuple[str, ...]) -> None:
    """By a shell or a backup that does not end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused(on(file, *words), str(file), "is locked by another process: end whatever holds it")


@pytest.mark.parametrize("words", [ALL, DEV, PRODUCE, CONSUME], ids=" ".join)
def test_a_read_only_file(file: Path, words: tuple[str, ...]) -> None:
    """And a read-only folder, in which SQLite could make no log."""
    file.chmod(0o444)
    file.parent.chmod(0o555)
    done = on(file, *words, before=without_privilege)
    # The first file that `dev` writes is that of its key.
    refused(done, str(file.parent), "writable for this user", "check the permissions")


@pytest.mark.parametrize("words", [ALL, PRODUCE], ids=" ".join)
def test_a_disk_that_takes_no_more(file: Path, words: tuple[str, ...]) -> None:
    """What was written before stays as it is."""
    done = on(file, *words, before=with_small_files)
    refused(done, str(file), "is it full?", "its disk is full", "limits on file sizes")


def test_no_new_file_on_a_disk_that_takes_no_more(file: Path) -> None:
    """Tables are made whole or not at all."""
    new = file.with_name("new.db")
    refused(
        on(new, *UPGRADE, before=with_small_files),
        str(new),
        "is it full?",
        "its disk is full",
        "limits on file sizes",
    )
    assert on(new, *UPGRADE).returncode == 0


@pytest.mark.parametrize("words", [ALL, DEV, PRODUCE, UPGRADE, CONSUME], ids=" ".join)
def test_a_newer_schema(file: Path, words: tuple[str, ...]) -> None:
    """The file stays as it is."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE taskrunner_schema SET version_num = '9999'")
    refused(on(file, *words), str(file), "install the newer taskrunner")


@pytest.mark.parametrize("words", [ALL, DEV, PRODUCE, UPGRADE, CONSUME], ids=" ".join)
def test_no_database(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Not a byte of it changes."""
    file = tmp_path / "taskrunner.db"
    file.write_bytes(b"my diary\n" * 1000)
    refused(on(file, *words), str(file), "is not a database")
    assert file.read_bytes() == b"my diary\n" * 1000


@pytest.mark.parametrize("words", [ALL, UPGRADE], ids=" ".join)
def test_no_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It is named, and what it must be."""
    file = tmp_path / "not" / "there.db"
    done = command(tmp_path, f"sqlite:///{file}", *words)
    refused(done, str(file), "folder must exist", "its folder exists", "db upgrade")
