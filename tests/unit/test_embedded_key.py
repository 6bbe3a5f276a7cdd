"""The key of the embedded mode: made once, for this user alone, and never repeated in an error."""

import os
import stat
from pathlib import Path

import pytest

from taskrunner.app.embedded_key import FILE_NAME, embedded_key
from taskrunner.domain.errors import SetupError
from taskrunner.domain.keys.api_key import check_secret, new_secret


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    """One file, which only this user can read, whatever the umask is."""
    before = os.umask(0)
    try:
        key = check_secret(embedded_key(tmp_path))
    finally:
        os.umask(before)
    assert embedded_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert mode_of(tmp_path / FILE_NAME) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    key = new_secret()
    (tmp_path / FILE_NAME).write_text(f"{key}\r\n")
    (tmp_path / FILE_NAME).chmod(0o644)
    assert embedded_key(tmp_path) == key
    assert mode_of(tmp_path / FILE_NAME) == 0o600


@pytest.mark.parametrize("content", [b"", b"tr_short", b"s3cret " * 9, b"\xff" * 40, b"tr_" + b"x" * 5000])
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, content: bytes) -> None:
    """With the file and the way out, without what it holds."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(SetupError) as told:
        embedded_key(tmp_path)
    assert str(told.value) == (
        f"{tmp_path / FILE_NAME} holds no API key; remove the file, and the next start makes another"
    )


@pytest.mark.parametrize("what", ["folder", "none"])
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, what: str) -> None:
    """A folder of its name, or no folder to write it to."""
    folder = tmp_path if what == "folder" else tmp_path / "none"
    if what == "folder":
        (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SetupError, match=FILE_NAME):
        embedded_key(folder)
