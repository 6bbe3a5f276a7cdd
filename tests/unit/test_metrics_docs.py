"""The reference of the metrics says what is exposed."""

import re
from pathlib import Path

from tests.tools.exposed import Family, everything, families_of

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
_ROW = re.compile(r"^\| `(taskrunner_\w+)` \| (\w+) \|(.*?) \| (.+) \|$", re.MULTILINE)


async def test_the_reference_has_every_metric_with_its_type_and_labels() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = {
        name: Family(name, kind, tuple(sorted(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels, _ in _ROW.findall(text)
    }
    assert told == families_of(await everything())


async def test_no_metric_has_a_label_that_tells_of_a_task() -> None:
    """Neither its id nor its URL nor a key; a queue and an executor are declared, and bounded."""
    labels = {label for family in families_of(await everything()).values() for label in family.labels}
    assert labels == {
        *("queue", "executor", "outcome", "status", "reason"),
        *("service", "operation", "method", "route", "limit", "check", "setting"),
        *("condition", "kind", "decision", "version", "python"),
    }
