"""What `taskrunner doctor` prints, and its exit codes."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from taskrunner.app.doctor import Diagnosis
from taskrunner.cli import doctor
from taskrunner.cli.main import main
from taskrunner.producer.doctor import Finding

LEASES = Finding(
    kind="dead_lease",
    message="tasks that run on",
    remedy="ends them",
    count=4,
    examples=["a", "b", "c"],
    repairable=True,
)
FIXED = Finding(
    kind="not_due",
    message="tasks",
    remedy="makes them due",
    count=1,
    examples=["a"],
    repairable=True,
    fixed=1,
)
SKEW = Finding(kind="clock_skew", message="the clock is 9.0 s ahead of ours", remedy="keep the time")


def run(monkeypatch: pytest.MonkeyPatch, diagnosis: Diagnosis, *words: str) -> tuple[int, str, str]:
    async def diagnose(_: Any, __: Any, *, fix: bool) -> Diagnosis:
        assert fix is ("--fix" in words)
        return diagnosis

    monkeypatch.setattr(doctor, "diagnose", diagnose)
    result = CliRunner().invoke(main, ["doctor", *words])
    return result.exit_code, result.stdout, result.stderr


def test_no_findings_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(monkeypatch, Diagnosis(findings=[], looked=12))
    assert answer == (0, "no problems found in 12 entries\n", "")


def test_each_finding_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(monkeypatch, Diagnosis(findings=[LEASES, SKEW]))
    assert code == 1
    assert out.splitlines() == [
        "dead_lease: 4 tasks that run on (a, b, c, …); --fix ends them",
        "clock_skew: the clock is 9.0 s ahead of ours; keep the time",
    ]


def test_fixed_findings_exit_0(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(monkeypatch, Diagnosis(findings=[FIXED]), "--fix")
    assert (code, out) == (0, "not_due: 1 tasks (a); --fix makes them due; done to 1\n")
    assert run(monkeypatch, Diagnosis(findings=[FIXED, SKEW]), "--fix")[0] == 1


def test_an_unreachable_broker_is_reported_after_the_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(monkeypatch, Diagnosis(findings=[LEASES], unreachable="no RabbitMQ"))
    assert (code, len(out.splitlines()), err) == (3, 1, "taskrunner: no RabbitMQ\n")


def test_json_has_an_object_per_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    _, out, _ = run(monkeypatch, Diagnosis(findings=[LEASES, SKEW]), "--json")
    first, second = map(json.loads, out.splitlines())
    assert (first["finding"], first["count"], first["examples"]) == ("dead_lease", 4, ["a", "b", "c"])
    assert (first["repairable"], first["fixed"], second["repairable"]) == (True, None, False)
    assert run(monkeypatch, Diagnosis(findings=[]), "--json")[1] == ""
