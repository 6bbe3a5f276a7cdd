"""Ids for the lines of a file, so that the same command on the same file is the same tasks."""

import json
import os
import stat
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, BinaryIO, Self

from taskrunner.domain.value import Value


class LineIds(Value):
    """Derives the id of a line from the path of its file, the options, its number and its text.

    The path and the number are parts of it, since equal lines of two files, or of one, are two tasks.
    """

    start: bytes

    @classmethod
    def of(cls, source: BinaryIO, fields: Mapping[str, Any]) -> Self | None:
        """The ids for `source`; None for a pipe: it has no path that tells it from others."""
        try:
            descriptor = source.fileno()
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            # Also finds the file of a redirection. https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return None
        return cls(start=json.dumps([path, fields], sort_keys=True).encode())

    def id_of(self, number: int, line: bytes) -> str:
        """The id of one line."""
        digest = blake2b(self.start, digest_size=16)
        digest.update(b"%d " % number)
        digest.update(line)
        return f"line-{digest.hexdigest()}"
