"""Acts on several ids in one command: prints the result of each, and derives the exit code."""

from collections.abc import Awaitable, Callable, Sequence

import click

from taskrunner.cli.errors import PARTLY_DONE, exit_code
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.producer.audit_trail import Change


async def act_on_ids(ids: Sequence[str], act: Callable[[str], Awaitable[str]], change: Change) -> int:
    """Print for each id what `act` returns, or on stderr why not; returns the exit code.

    The code is that of the refusals if every id was refused for the same reason, else `PARTLY_DONE`. When a
    service fails or the command is interrupted, the ids that are left are printed.
    """
    left = list(dict.fromkeys(ids))
    codes: set[int] = set()
    change.add(0)
    try:
        while left:
            try:
                done = await act(left[0])
                change.add(1)
                click.echo(f"{left[0]} {done}")
                codes.add(0)
            except (TaskUnknown, StateConflict) as exc:
                click.echo(f"taskrunner: {exc}", err=True)
                codes.add(exit_code(exc))
            del left[0]
    finally:
        if left:
            click.echo(f"taskrunner: not done: {' '.join(left)}", err=True)
    return codes.pop() if len(codes) == 1 else PARTLY_DONE
