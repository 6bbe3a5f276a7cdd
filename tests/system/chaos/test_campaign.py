"""A short, seeded part of the campaign; and the proof that its checks find what they are there to find."""

from pathlib import Path

import pytest
from servers.fleet import Fleet

from tests.system.chaos.campaign import Campaign, Plan
from tests.system.chaos.report import line
from tests.system.chaos.sabotage import SHOWN
from tests.system.chaos.trial import Settings
from tests.system.harness.target import Target
from tests.tools.waiting import PATIENCE

SEED = 20
# Each promise and each kind of fault once, of those that are over in seconds.
SELECTION = ["F04", "F24b", "F38", "F70", "F71"]
# Submits a second; `make chaos` makes 250. Fewer tasks are enough to be under way when a fault begins.
RATE = 100.0
SHORT = Settings(tasks=250, lead=60, ends_within=PATIENCE, recovers_within=PATIENCE)
# What is lost is lost at once; there is no need to wait for it for long.
HASTY = Settings(tasks=250, lead=60, ends_within=8.0)


def test_a_selection_of_faults_breaks_no_promise(fleet: Fleet, target: Target, tmp_path: Path) -> None:
    """Nothing is lost, nothing runs after its end, and everything is given back."""
    campaign = Campaign(fleet, target, tmp_path, SHORT, rate=RATE)
    for result in campaign.run(Plan.make(SEED, len(SELECTION), SELECTION)):
        print(line(result))
    assert {result.fault: result.findings for result in campaign.results if result.findings} == {}
    assert not any(campaign.closings.values()), campaign.closings


@pytest.mark.parametrize("sabotage", SHOWN)
def test_a_missing_safeguard_is_found(sabotage: str, fleet: Fleet, target: Target, tmp_path: Path) -> None:
    """A build without it breaks a promise, which the check tells."""
    campaign = Campaign(fleet, target, tmp_path, HASTY, executors=False)
    launcher = ("tests.system.chaos.sabotage", sabotage)
    (result,) = campaign.run(Plan.make(SEED, 1, [SHOWN[sabotage].by]), launcher)
    assert SHOWN[sabotage].promise in result.findings, line(result)
