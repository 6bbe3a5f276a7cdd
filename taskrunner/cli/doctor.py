"""`taskrunner doctor`: check and repair what is stored."""

from pathlib import Path

import click

from taskrunner.app.doctor import Diagnosis, diagnose
from taskrunner.app.loop import run
from taskrunner.cli.audited import command_actor
from taskrunner.cli.command_group import Command
from taskrunner.cli.errors import FAILURE, OUTSIDE
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.producer.doctor import Finding


@click.command("doctor", cls=Command)
@config_option
@click.option("--fix", is_flag=True, help="Repair what can be repaired. Without --fix, no task is changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per finding.")
def doctor_command(config_path: Path | None, fix: bool, as_json: bool) -> None:
    """Find inconsistencies in the store and the broker. Safe beside a running system.

    Exits with 0 when nothing is wrong (any more), 1 with findings, 3 when a service cannot be reached.
    """

    async def examine() -> int:
        return _print_diagnosis(await diagnose(load(config_path), command_actor(), fix=fix), as_json=as_json)

    raise SystemExit(run(examine()))


def _print_diagnosis(diagnosis: Diagnosis, *, as_json: bool) -> int:
    for finding in diagnosis.findings:
        click.echo(_json(finding) if as_json else _line(finding))
    if not diagnosis.findings and not as_json:
        click.echo(f"no problems found in {diagnosis.looked} entries")
    if diagnosis.unreachable is not None:
        click.echo(f"taskrunner: {diagnosis.unreachable}", err=True)
        return OUTSIDE
    return FAILURE if any(finding.is_left for finding in diagnosis.findings) else 0


def _line(finding: Finding) -> str:
    if finding.repairable:
        examples = f" ({', '.join(finding.examples)}{', …' if finding.count > len(finding.examples) else ''})"
        done = "" if finding.fixed is None else f"; done to {finding.fixed}"
        return f"{finding.kind}: {finding.count} {finding.message}{examples}; --fix {finding.remedy}{done}"
    number = f"{finding.count} " if finding.count > 1 else ""
    return f"{finding.kind}: {number}{finding.message}; {finding.remedy}"


def _json(finding: Finding) -> str:
    return encode(
        {
            "finding": finding.kind,
            "count": finding.count,
            "message": finding.message,
            "examples": list(finding.examples),
            "remedy": finding.remedy,
            "repairable": finding.repairable,
            "fixed": finding.fixed,
        }
    ).decode()
