"""Watchers: many clients with streams of events and waits, while others submit."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.bench import Bench, tell
from harness.child import Child
from harness.figures import Figure

from scenarios.submits import load

READERS, WAITS = 1_000, 1_000
_WANTED_P99_MS = 60.0
_WANTED_MIB = 200.0
_CLIENT = Path(__file__).parents[1] / "watchers.py"
# For the load and the requests that open and end everything.
_MORE_CONNECTIONS = 500
_SETTINGS = {
    "TASKRUNNER_API__MAX_CONNECTIONS": str(READERS + WAITS + _MORE_CONNECTIONS),
    "TASKRUNNER_API__MAX_WAIT": "600",
}


def watchers(bench: Bench) -> None:
    """POST /tasks without watchers and with them, in turn."""
    _allow_files()
    rounds = [(_alone(bench), _watched(bench)) for _ in range(bench.sizes.repeat)]

    def runs(place: int, name: str) -> list[float]:
        return [float(each[place][name]) for each in rounds]

    what = f"POST /tasks beside {READERS:,} readers of events and {WAITS:,} waits"
    ratios = [watched["rate"] / alone["rate"] for alone, watched in rounds]
    bench.figures += [
        Figure(what=what, unit="requests/s", runs=runs(1, "rate")),
        Figure(what="  of the rate without them", unit="times", runs=ratios),
        Figure(what="  p99", unit="ms", runs=runs(1, "p99_ms"), at_most=_WANTED_P99_MS),
        Figure(what="  p99 without them", unit="ms", runs=runs(0, "p99_ms")),
        Figure(what="  memory of serve", unit="MiB", runs=runs(1, "mib"), at_most=_WANTED_MIB),
        Figure(what="  an event after its submit, p99", unit="ms", runs=runs(1, "delay_p99_ms")),
        Figure(what="  until all know of the end", unit="s", runs=runs(1, "ended_s")),
    ]


def _alone(bench: Bench) -> dict[str, Any]:
    bench.backends.reset()
    with bench.ours.serve():
        report = load(bench, None)
    tell(f"  alone: {report['rate']:,.0f} requests/s, p99 {report['p99_ms']} ms")
    return report


def _watched(bench: Bench) -> dict[str, Any]:
    bench.backends.reset()
    command = [
        *(sys.executable, str(_CLIENT), "--port", str(bench.ours.api_port)),
        *("--readers", str(READERS), "--waits", str(WAITS), "--task-url", bench.target.pattern(0)),
    ]
    log = bench.folder / "watchers.log"
    with bench.ours.serve(_SETTINGS) as server:
        with Child(command, log=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            client.read_line()
            report = load(bench, None)
            report["mib"] = server.peak_rss_bytes() / 2**20
            assert client.process.stdin is not None
            client.process.stdin.write(b"\n")
            client.process.stdin.flush()
            report |= json.loads(client.read_line())
        report["mib"] = max(report["mib"], server.peak_rss_bytes() / 2**20)
    tell(f"  watched: {report}")
    if (report["cancelled"], report["answered"]) != (READERS // 2, WAITS):
        bench.lose(f"of {READERS // 2} readers and {WAITS} waits, {report} learned of the end")
    return report


def _allow_files() -> None:
    """Each connection is an open file, of the server and of the client; both inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
