"""The audit: compares accepted submits, the store's records and the target's requests."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.system.harness.deployment import Deployment
from tests.system.harness.target import Hit

# The store's times are whole milliseconds, and a fetch needs a moment from its claim to the target.
_CLOCK_SLACK = 0.005
_TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
_SHOWN = 5


@dataclass(slots=True)
class Audit:
    """Ids per finding; `duplicates` counts the requests that the target saw beyond one per attempt, and
    `attempts` those beyond one per task."""

    accepted: int
    records: int
    lost: list[str] = field(default_factory=list)
    listed_twice: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    not_succeeded: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    run_after_end: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    duplicates: int = 0
    attempts: int = 0

    @property
    def findings(self) -> dict[str, list[str]]:
        names = (
            "lost",
            "listed_twice",
            "unfinished",
            "not_succeeded",
            "unseen",
            "run_after_end",
            "strangers",
        )
        return {name: found for name in names if (found := getattr(self, name))}

    def check(self) -> "Audit":
        """Fail with a few examples of each finding."""
        shown = {name: (len(found), found[:_SHOWN]) for name, found in self.findings.items()}
        assert not shown, f"{self.accepted} accepted, {self.records} records: {shown}"
        return self


def audit(
    accepted: Iterable[str], records: Sequence[Any], hits: Sequence[Hit], unsure: Iterable[str] = ()
) -> Audit:
    """Compare the ids of accepted tasks, the store's records and the target's hits.

    A task of an `unsure` submit may be there or not; if it is, the rules hold for it too.
    """
    known, wanted = {record["id"]: record for record in records}, set(accepted)
    seen: dict[str, list[Hit]] = {}
    for hit in hits:
        seen.setdefault(hit.task, []).append(hit)
    report = Audit(accepted=len(wanted), records=len(records))
    report.lost = sorted(wanted - known.keys())
    report.listed_twice = [key for key, count in Counter(r["id"] for r in records).items() if count > 1]
    report.strangers = sorted(known.keys() - wanted - set(unsure))
    for task_id, record in known.items():
        _examine(report, task_id, record, seen.get(task_id, []))
    return report


def audit_deployment(deployment: Deployment, accepted: Iterable[str], unsure: Iterable[str] = ()) -> Audit:
    """The same for a deployment and its target as they are now."""
    return audit(accepted, deployment.records(), deployment.target.hits(), unsure)


def _examine(report: Audit, task_id: str, record: Any, hits: Sequence[Hit]) -> None:
    if record["status"] not in _TERMINAL:
        report.unfinished.append(task_id)
        return
    if record["status"] != "succeeded":
        report.not_succeeded.append(f"{task_id}: {record['error']}")
    elif not any(hit.answered for hit in hits):
        report.unseen.append(task_id)
    ended = datetime.fromisoformat(record["finished_at"]).timestamp()
    if any(hit.at > ended + _CLOCK_SLACK for hit in hits):
        report.run_after_end.append(task_id)
    numbers = Counter(hit.attempt for hit in hits)
    report.duplicates += sum(count - 1 for count in numbers.values())
    report.attempts += max(0, len(record["attempts"]) - 1)
