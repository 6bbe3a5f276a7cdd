"""The lock on a file: one holder, told by its process id, and free again afterwards."""

import os
from pathlib import Path

import pytest

from taskrunner.runtime.filelock import FileLock, LockTaken


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """The second is told who has it; after the end it can be had again."""
    path = tmp_path / "x.lock"
    with FileLock(path):
        with pytest.raises(LockTaken) as caught:
            FileLock(path)
        assert caught.value.owner == f" (process {os.getpid()})"
    with FileLock(path):
        pass


def test_a_file_that_cannot_be_made_is_an_oserror(tmp_path: Path) -> None:
    """The caller knows what to say."""
    with pytest.raises(OSError):
        FileLock(tmp_path / "none" / "x.lock")
