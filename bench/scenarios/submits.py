"""Submits: tasks handed in by HTTP and in bulk, with nobody to run them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.bench import Bench, tell
from harness.child import Child, ChildFailed
from harness.figures import Figure

CONNECTIONS = 64
_WARMUP = 1_000
_WANTED_POSTS = 2_500.0
_WANTED_P99_MS = 60.0
_WANTED_LINES = 10_000.0
_WANTED_KEYED = 0.9
_LOAD = Path(__file__).parents[1] / "load.py"


def post(bench: Bench) -> None:
    """POST /tasks on kept-alive connections, each task durable when it is answered."""
    reports = [_post_once(bench) for _ in range(bench.sizes.repeat)]

    def runs(name: str) -> list[float]:
        return [float(report[name]) for report in reports]

    what = f"POST /tasks, {CONNECTIONS} connections"
    bench.figures += [
        Figure(what=what, unit="requests/s", runs=runs("rate"), at_least=_WANTED_POSTS),
        Figure(what="  p99", unit="ms", runs=runs("p99_ms"), at_most=_WANTED_P99_MS),
        Figure(what="  p50", unit="ms", runs=runs("p50_ms")),
        Figure(what="  slowest", unit="ms", runs=runs("max_ms")),
        Figure(what="  answers other than 202", unit="", runs=runs("refused"), at_most=0),
    ]


def keyed(bench: Bench) -> None:
    """The same with an API key that sees only its own tasks, with and without a limit, in turn."""
    kinds: dict[str, Sequence[str] | None] = {
        "without a key": None,
        "with a key": (),
        "with a limited key": ("--rate", "100000/s", "--burst", "100000"),
    }
    rounds = [
        {kind: float(_post_once(bench, limits)["rate"]) for kind, limits in kinds.items()}
        for _ in range(bench.sizes.repeat)
    ]
    for kind, limits in kinds.items():
        rates = [each[kind] for each in rounds]
        bench.figures.append(Figure(what=f"POST /tasks {kind}", unit="requests/s", runs=rates))
        if limits is not None:
            ratios = [each[kind] / each["without a key"] for each in rounds]
            what = "  of the rate without one"
            bench.figures.append(Figure(what=what, unit="times", runs=ratios, at_least=_WANTED_KEYED))


def bulk(bench: Bench) -> None:
    """Lines to `produce --file -`, from the command's start to its end."""
    lines = bench.sizes.bulk
    runs = []
    for _ in range(bench.sizes.repeat):
        bench.backends.reset()
        tell(f"taskrunner: {lines:,} lines to produce --file -")
        seconds = bench.ours.produce(bench.target.pattern(0), lines)
        runs.append(lines / seconds)
        tell(f"  {runs[-1]:,.0f} tasks/s, {seconds:.2f} s")
        if (accepted := bench.ours.accepted()) != lines:
            bench.lose(f"produce printed {lines} ids, and {accepted} tasks are in the store")
    bench.figures.append(
        Figure(what="bulk submit, produce --file -", unit="tasks/s", runs=runs, at_least=_WANTED_LINES)
    )


def _post_once(bench: Bench, limits: Sequence[str] | None = None) -> dict[str, Any]:
    """With `limits`, which may be none, a key is needed."""
    bench.backends.reset()
    key = None if limits is None else bench.ours.make_key(*limits)
    tell(f"taskrunner: {bench.sizes.post:,} POST /tasks")
    with bench.ours.serve() as server:
        report = load(bench, key)
        report["peak_rss_bytes"] = server.peak_rss_bytes()
    tell(f"  {report['rate']:,.0f} requests/s, p50 {report['p50_ms']} ms, p99 {report['p99_ms']} ms")
    # An answer that never came may stand for a task that was accepted, so there may be more, but never fewer.
    if (accepted := bench.ours.accepted()) < report["accepted"]:
        bench.lose(f"{report['accepted']} tasks were answered with 202, and {accepted} are in the store")
    return report


def load(bench: Bench, key: str | None) -> dict[str, Any]:
    """What `load.py` reports of its requests to a running server."""
    command = [
        *(sys.executable, str(_LOAD), "--port", str(bench.ours.api_port)),
        *("--connections", str(CONNECTIONS), "--requests", str(bench.sizes.post)),
        *("--warmup", str(min(_WARMUP, bench.sizes.post)), "--task-url", bench.target.pattern(0)),
        *(("--key", key) if key else ()),
    ]
    with Child(command, log=bench.folder / "load.log", stdout=subprocess.PIPE) as child:
        report: dict[str, Any] = json.loads(child.read_line() or "{}")
        child.process.wait()
    if not report:
        raise ChildFailed("the load generator reported nothing; see load.log")
    return report
