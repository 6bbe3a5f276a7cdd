"""Turns errors into exit codes and lines on stderr; no other module does.

0 success, 1 failure, 2 wrong usage or configuration, 3 a service is unreachable or unusable, 4 not found,
5 the status does not allow it, 6 partly done, 130 Ctrl-C.
The tree of errors is in `taskrunner.domain.errors`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from taskrunner.cli.streams import DISK_FULL, READER_GONE, OutputClosed, discard_output, report_unwritable
from taskrunner.domain.errors import (
    AttemptUnknown,
    CallerError,
    ExecutorUnknown,
    FieldsInvalid,
    HostLimitUnknown,
    KeyUnknown,
    OperationUnknown,
    OutsideError,
    QueueUnknown,
    ScheduleUnknown,
    SetupError,
    StateConflict,
    TaskrunnerError,
    TaskUnknown,
    WebhookUnknown,
)
from taskrunner.domain.masking import strip_urls

FAILURE = 1
USAGE = 2
OUTSIDE = 3
NOT_FOUND = 4
CONFLICT = 5
PARTLY_DONE = 6
INTERRUPTED = 130
_UNKNOWN = (
    AttemptUnknown,
    TaskUnknown,
    ScheduleUnknown,
    HostLimitUnknown,
    KeyUnknown,
    OperationUnknown,
    ExecutorUnknown,
    QueueUnknown,
    WebhookUnknown,
)


@contextmanager
def exit_codes() -> Iterator[None]:
    """End the process with the exit code of the error that a command raises.

    Click handles its own errors.
    """
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise SystemExit(INTERRUPTED) from None
    except (click.ClickException, click.exceptions.Exit):
        raise
    except BrokenPipeError as exc:
        discard_output()
        why = str(exc) if isinstance(exc, OutputClosed) else "the output was closed by its reader"
        with suppress(BrokenPipeError):
            click.echo(f"taskrunner: {why}", err=True)
        raise SystemExit(READER_GONE) from None
    except Exception as exc:  # noqa: BLE001 - the boundary of the process
        if isinstance(exc, OSError) and exc.errno in DISK_FULL:
            raise SystemExit(report_unwritable(exc)) from None
        for line in describe(exc):
            click.echo(f"taskrunner: {line}", err=True)
        raise SystemExit(exit_code(exc)) from None


def exit_code(exc: Exception) -> int:
    """The exit code for an error."""
    if isinstance(exc, _UNKNOWN):
        return NOT_FOUND
    if isinstance(exc, StateConflict):
        return CONFLICT
    if isinstance(exc, CallerError):
        return USAGE
    return OUTSIDE if isinstance(exc, OutsideError | SetupError) else FAILURE


def describe(exc: Exception) -> list[str]:
    """The lines to print: one per finding, or the error's own; a bug of ours with its file and line."""
    if isinstance(exc, FieldsInvalid):
        return [_one_line(str(error)) for error in exc.errors]
    if isinstance(exc, TaskrunnerError):
        return [_one_line(str(exc))]
    return [_one_line(f"internal error{_place(exc)}: {type(exc).__name__}: {strip_urls(str(exc))}")]


def _place(exc: Exception) -> str:
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f" in {Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
