"""File descriptors: whether this process can open some more."""

import os


def open_and_close(count: int) -> None:
    """Raises the system's `OSError` if fewer than `count` are left, which libraries tell as another fault."""
    opened: list[int] = []
    try:
        opened.extend(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(count))
    finally:
        for each in opened:
            os.close(each)
