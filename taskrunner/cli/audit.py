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
from taskrunner.cli.table import print_list
from taskrunner.config import load
from taskrunner.domain.keys.audit import AUDIT_CONDITIONS, AuditEntry, read_audit_filter

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
        return await print_list(entries, _HEADERS, _row, AuditEntryView.of, as_json=as_json)

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
