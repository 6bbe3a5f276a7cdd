"""The report: what a campaign's trials came to, as data, as a table and in lines."""

import dataclasses
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.system.chaos.campaign import Campaign
from tests.system.chaos.catalogue import FAULTS, listed, name_of
from tests.system.chaos.trial import Result

Content = dict[str, Any]


def content(campaign: Campaign) -> Content:
    """One campaign as data: every trial, what its deployments held before and after, and the sums."""
    usage = {
        profile: {name: [dataclasses.asdict(each) for each in pair] for name, pair in pairs.items()}
        for profile, pairs in campaign.usage.items()
    }
    runs = [dataclasses.asdict(result) for result in campaign.results]
    return _whole(runs, [usage], [dict(campaign.closings)])


def merged(paths: Iterable[Path]) -> Content:
    """Several campaigns, such as shards of one, as if they had been one."""
    parts = [json.loads(path.read_text()) for path in paths]
    runs, usage, closings = (
        [each for part in parts for each in part[name]] for name in ("runs", "usage", "closings")
    )
    return _whole(runs, usage, closings)


def is_clean(report: Content) -> bool:
    """Whether every promise was kept."""
    closings = [found for closing in report["closings"] for found in closing.values()]
    return not any(run["findings"] for run in report["runs"]) and not any(closings)


def write(path: Path, report: Content) -> None:
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def line(result: Result) -> str:
    """A trial in a line."""
    back = "never" if result.recovery is None else f"{result.recovery:.1f}"
    verdict = "ok" if not result.findings else f"FAILED {result.findings}"
    return (
        f"{result.fault:<5} {result.tasks:>6} tasks  lost {result.lost}  after end {result.after_end}  "
        f"duplicates {result.duplicates}  interrupted {result.repeats} (again by {result.rerun})  "
        f"outage {result.outage:.1f}  back {back}  {result.rate:.0f}/s  {result.seconds:.0f} s  {verdict}"
    )


def table(report: Content) -> str:
    """One line of Markdown per fault, its trials added up; times are the worst of them, in seconds.

    `kept` is what any process held in the end beyond its baseline: threads, sockets and MiB.
    """
    names = ("fault", "runs", "tasks", "lost", "run after end", "duplicates", "interrupted", "run again by")
    lines = [_row([*names, "fault lasted", "rate back after", "kept"]), "|---" * 11 + "|"]
    for fault_id in sorted({run["fault"] for run in report["runs"]}):
        group = [run for run in report["runs"] if run["fault"] == fault_id]
        back = "never" if any(run["recovery"] is None for run in group) else _worst(group, "recovery")
        cells = [
            f"{fault_id} {name_of(fault_id)}",
            len(group),
            *(_sum(group, name) for name in ("tasks", "lost", "after_end", "duplicates", "repeats")),
            _worst(group, "rerun"),
            _worst(group, "outage"),
            back if FAULTS[fault_id].steady else "–",
            _kept(group),
        ]
        lines.append(_row(cells))
    return "\n".join(lines)


def _whole(runs: Sequence[Any], usage: Sequence[Any], closings: Sequence[Any]) -> Content:
    steady = [run for run in runs if FAULTS[run["fault"]].steady]
    known = [run["recovery"] for run in steady if run["recovery"] is not None]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "summary": {
            "runs": len(runs),
            "faults": len({run["fault"] for run in runs}),
            "tasks": _sum(runs, "tasks"),
            "lost": _sum(runs, "lost"),
            "run_after_end": _sum(runs, "after_end"),
            "duplicates": _sum(runs, "duplicates"),
            "interrupted_attempts": _sum(runs, "repeats"),
            "run_again_by_worst": _worst(runs, "rerun"),
            "recovery_median": round(median(known), 2) if known else None,
            "recovery_worst": max(known, default=None),
            "failed_runs": sum(bool(run["findings"]) for run in runs),
        },
        "closings": list(closings),
        "usage": list(usage),
        "undone": {key: fault["undone"] for key, fault in listed().items() if "undone" in fault},
        "runs": list(runs),
    }


def _sum(runs: Iterable[Mapping[str, Any]], name: str) -> int:
    return sum(run[name] for run in runs)


def _worst(runs: Iterable[Mapping[str, Any]], name: str) -> object:
    return max((round(run[name], 1) for run in runs if run[name] is not None), default="–")


def _kept(runs: Iterable[Mapping[str, Any]]) -> str:
    found = [run["more"] for run in runs if run.get("more")]  # reports of before there was that have none
    if not found:
        return "–"
    threads, sockets, size_bytes = (
        max(each[name] for each in found) for name in ("threads", "sockets", "rss_bytes")
    )
    return f"{threads:+d}, {sockets:+d}, {size_bytes / (1 << 20):+.0f}"


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
