"""A lock on a file: held by one process at a time, and gone with it however it ends."""

import fcntl
import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType


class LockTaken(Exception):
    """Another process holds it; `owner` is that one's id as ` (process 123)`, where it is known."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is locked{owner}")
        self.owner = owner


class FileLock(AbstractContextManager["FileLock"]):
    """Taken when made, by flock(2): the kernel ends it with the process, kill -9 included.

    The file stays: removing it would let two processes lock two files of one name. Raises `LockTaken` and
    OSError.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise LockTaken(path, f" (process {owner})" if owner.isdecimal() else "") from None
        except OSError:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
