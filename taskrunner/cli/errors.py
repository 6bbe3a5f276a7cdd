"""The one place that turns errors into exit codes and one line each on stderr.

0 is success, 1 a failure, 2 a wrong use or configuration, 3 a service that is away or unfit, 130 an
interrupt from the keyboard. See the tree in `taskrunner.domain.errors`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from taskrunner.domain.errors import (
    CallerError,
    ConfigInvalid,
    OutsideError,
    SelectionInvalid,
    SetupError,
    TaskInvalid,
    TaskrunnerError,
)

FAILURE = 1
USAGE = 2
OUTSIDE = 3
INTERRUPTED = 130


@contextmanager
def exit_codes() -> Iterator[None]:
    """Run a command; what it raises ends the process with the code for it. Click's own errors pass, and a
    reader that has gone away, for which click has an answer."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise SystemExit(INTERRUPTED) from None
    except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
        raise
    except Exception as exc:  # noqa: BLE001 - the boundary of the process
        for line in describe(exc):
            click.echo(f"taskrunner: {line}", err=True)
        raise SystemExit(exit_code(exc)) from None


def exit_code(exc: Exception) -> int:
    """The code that the process ends with."""
    if isinstance(exc, CallerError):
        return USAGE
    return OUTSIDE if isinstance(exc, OutsideError | SetupError) else FAILURE


def describe(exc: Exception) -> list[str]:
    """What to tell: a line for each finding, or the error's own; for a fault of ours, its place too."""
    if isinstance(exc, ConfigInvalid | TaskInvalid | SelectionInvalid):
        return [_one_line(str(error)) for error in exc.errors]
    if isinstance(exc, TaskrunnerError):
        return [_one_line(str(exc))]
    return [_one_line(f"internal error{_place(exc)}: {type(exc).__name__}: {exc}")]


def _place(exc: Exception) -> str:
    traceback = exc.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f" in {Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
