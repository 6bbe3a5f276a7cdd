"""The alerts and the text of `/metrics`, by promtool's own checks."""

import subprocess
from pathlib import Path

from servers.programs import install, program

from tests.tools.exposed import everything
from tests.tools.queries import RULES


def promtool(*words: str | Path, given: bytes = b"") -> str:
    """What it prints; an exit code other than 0 fails the test with all that it said."""
    install(["prometheus"])
    command = [program("prometheus", "promtool"), *map(str, words)]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    return said


def test_the_rules_are_valid() -> None:
    promtool("check", "rules", RULES)


def test_the_configuration_of_the_compose_file_is_valid() -> None:
    """Only its form: the file with the API key is in the container."""
    promtool("check", "config", "--syntax-only", RULES.parent / "prometheus.yml")


def test_the_alerts_fire_and_clear_as_they_should() -> None:
    """And do not fire for the nearest that is no trouble."""
    promtool("test", "rules", Path(__file__).parent / "alerts.test.yml")


async def test_the_metrics_follow_the_conventions() -> None:
    """promtool prints what it would name otherwise, and exits with 0 or 3."""
    assert promtool("check", "metrics", given=await everything()) == ""
