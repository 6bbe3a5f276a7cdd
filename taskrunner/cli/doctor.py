"""`taskrunner doctor`: whether store and broker are sound, and agree with each other."""

from pathlib import Path

import click

from taskrunner.app.doctor import Diagnosis, diagnose
from taskrunner.app.loop import run
from taskrunner.cli.errors import FAILURE, OUTSIDE
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.producer.doctor import Finding


@click.command(name="doctor")
@config_option
@click.option("--fix", is_flag=True, help="Repair what can be repaired; without it no task is changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a finding.")
def command(config_path: Path | None, fix: bool, as_json: bool) -> None:
    """Look for what is wrong in store and broker; beside a running system, too.

    Ends with 0 when nothing is wrong (any more), 1 with findings, 3 when a service cannot be reached.
    """

    async def examine() -> int:
        return _tell(await diagnose(load(config_path), fix=fix), as_json=as_json)

    raise SystemExit(run(examine()))


def _tell(diagnosis: Diagnosis, *, as_json: bool) -> int:
    for finding in diagnosis.findings:
        click.echo(_json(finding) if as_json else _line(finding))
    if not diagnosis.findings and not as_json:
        click.echo(f"nothing is wrong: looked at {diagnosis.looked} entries")
    if diagnosis.unreachable is not None:
        click.echo(f"taskrunner: {diagnosis.unreachable}", err=True)
        return OUTSIDE
    return FAILURE if any(finding.is_left for finding in diagnosis.findings) else 0


def _line(finding: Finding) -> str:
    if finding.repairable:
        examples = f" ({', '.join(finding.examples)}{', …' if finding.count > len(finding.examples) else ''})"
        done = "" if finding.fixed is None else f"; done to {finding.fixed}"
        return f"{finding.kind}: {finding.count} {finding.says}{examples}; --fix {finding.remedy}{done}"
    number = f"{finding.count} " if finding.count > 1 else ""
    return f"{finding.kind}: {number}{finding.says}; {finding.remedy}"


def _json(finding: Finding) -> str:
    return encode(
        {
            "finding": finding.kind,
            "count": finding.count,
            "says": finding.says,
            "examples": list(finding.examples),
            "remedy": finding.remedy,
            "repairable": finding.repairable,
            "fixed": finding.fixed,
        }
    ).decode()
