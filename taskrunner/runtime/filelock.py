"""A lock on a file: one process holds it, and it ends with the process, however that ends."""

import fcntl
import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType


class LockTaken(Exception):
    """Another process holds the lock. `owner` is ` (process 123)`, or empty if its id is unknown."""

    def __init__(self, path: Path, owner: str) -> None:
        super().__init__(f"{path} is locked{owner}")
        self.owner = owner


class FileLock(AbstractContextManager["FileLock"]):
    """Locks the file with flock(2) when created; the kernel releases the lock even after kill -9.

    The file is never removed: otherwise two processes could lock two files of the same name. Raises
    `LockTaken`, `OSError`.
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
