"""The units, by systemd's own checks."""

import re
import sys
from pathlib import Path

import pytest

from tests.deploy.programs import ROOT, run

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
NAMES = [unit.name for unit in UNITS]


@pytest.fixture(params=UNITS, ids=NAMES)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as installed, but with the program of this environment."""
    source: Path = request.param
    text = source.read_text().replace("/opt/taskrunner/bin/taskrunner", f"{sys.prefix}/bin/taskrunner")
    installed = tmp_path / source.name.replace("@", "@8080")
    installed.write_text(text)
    return installed


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    """Unknown keys are only warnings to systemd, which ignores them: none may be printed."""
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""


@pytest.mark.parametrize("path", UNITS, ids=NAMES)
def test_exposure_is_low(path: Path) -> None:
    """2.0 of 10 at most; what a program that fetches any URL must have is 1.4."""
    report = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", report)
    assert found is not None
    assert float(found[1]) < 2.0, report
