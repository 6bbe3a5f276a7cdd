"""`taskrunner audit`: who did what to how many."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.audit import AuditEntryView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_actions import iterate_list
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, json_option, limit_option
from taskrunner.cli.streams import LineOutput
from taskrunner.cli.table import print_table
from taskrunner.config import load
from taskrunner.domain.audit import AUDIT_CONDITIONS, AuditEntry, read_audit_filter
from taskrunner.domain.codec import encode

_HEADERS = ("TIME", "WHO", "FROM", "ACTION", "COUNT", "TARGET")


def _conditions(function: Any) -> Any:
    for name in reversed(list(AUDIT_CONDITIONS)):
        function = click.option(f"--{name}", name, help=AUDIT_CONDITIONS[name])(function)
    return function


@click.command("audit", cls=Command)
@config_option
@_conditions
@limit_option
@json_option
def audit_command(config_path: Path | None, limit: int, as_json: bool, **given: str | None) -> None:
    """Print who changed what, the newest first. Submits are not part of it: tasks name their key."""
    named = {name: text for name, text in given.items() if text is not None}
    wanted = read_audit_filter(named, now=datetime.now(UTC))

    async def use(platform: Platform) -> int:
        entries = iterate_list(
            lambda size, cursor: platform.audit.list(wanted, limit=size, cursor=cursor), limit
        )
        if not as_json:
            await print_table(_HEADERS, (_row(entry) async for entry in entries))
            return 0
        with LineOutput() as output:
            async for entry in entries:
                output.write(encode(AuditEntryView.of(entry)).decode())
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


def _row(entry: AuditEntry) -> Sequence[str]:
    return (
        f"{entry.at:%Y-%m-%dT%H:%M:%SZ}",
        entry.key or "-",
        entry.origin or "-",
        entry.action,
        "?" if entry.count is None else str(entry.count),
        entry.target,
    )
