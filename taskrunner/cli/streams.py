"""The standard streams of a command: missing ones, and an output whose reader goes away."""

import errno
import os
import sys
from contextlib import suppress
from io import UnsupportedOperation
from types import TracebackType
from typing import Self

import click

# 128 + SIGPIPE: the exit code in a shell of a command whose reader has gone.
READER_GONE = 141
# The errors of a write to a full disk, or beyond a quota or limit.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OutputClosed(BrokenPipeError):
    """The reader of stdout has gone; the message says how far the output got."""


class LineOutput:
    """Writes lines to stdout and flushes them at the end. Raises `OutputClosed` when nobody reads them."""

    def __init__(self) -> None:
        self._lines = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                sys.stdout.flush()
            except BrokenPipeError as exc:
                raise self._closed() from exc

    def write(self, line: str) -> None:
        try:
            sys.stdout.write(f"{line}\n")
        except BrokenPipeError as exc:
            raise self._closed() from exc
        self._lines += 1

    def _closed(self) -> OutputClosed:
        return OutputClosed(f"the output was closed by its reader; {self._lines} lines were printed to it")


def open_missing_streams() -> None:
    """Open the null device for each standard stream that the caller has closed (`>&-`).

    Otherwise the next file or socket gets its number, and what is printed goes there: the event loop's own
    descriptors became standard output. POSIX allows a system to do the same (`execve`, file descriptors 0-2).
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - as long as the process


def flush_output() -> int:
    """Write what stdout still holds; returns 0, or the exit code of what went wrong."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        return READER_GONE
    except OSError as exc:
        return report_unwritable(exc)
    return 0


def report_unwritable(exc: OSError) -> int:
    """Tell that stdout takes no more; returns the exit code."""
    discard_output()
    click.echo(f"taskrunner: cannot write the output: {exc.strerror}", err=True)
    return 1


def discard_output() -> None:
    """Send what stdout still holds to the null device, so that Python's own flush at the end is silent."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(UnsupportedOperation):  # a stream of Python alone
        os.dup2(null, sys.stdout.fileno())
    os.close(null)
