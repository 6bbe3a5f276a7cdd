"""The catalogue: the list of faults as data, and which of them are done here by what."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.system.chaos import broker_faults, client_faults, network_faults, process_faults, redis_faults
from tests.system.chaos.fault import Fault

FAULTS: Mapping[str, Fault] = {
    fault.id: fault
    for module in (process_faults, broker_faults, redis_faults, network_faults, client_faults)
    for fault in module.FAULTS
}


def listed() -> dict[str, dict[str, Any]]:
    """The lines of `faults.jsonl` by id.

    `expect` says what must happen, `undone` why a fault is not done, `here` how it differs from its name.
    """
    lines = (Path(__file__).parent / "faults.jsonl").read_text().splitlines()
    return {fault["id"]: fault for fault in map(json.loads, lines)}


def name_of(fault_id: str) -> str:
    """What a fault is, in a few words."""
    doc = getattr(FAULTS[fault_id].inject, "__name__", "") or type(FAULTS[fault_id].inject).__name__
    return f"{listed()[fault_id.rstrip('abcd')]['name']} ({doc.replace('_', ' ')})"
