"""Measure taskrunner, and three peers on the same job, with a real RabbitMQ, Redis and PostgreSQL.

    make bench
    python scripts/services.py run --with rabbitmq,redis,postgres -- python bench/run.py --only instant

The table goes to stdout, the details as JSON to bench/results/. The exit code is 1 when a task was lost, 2
when there was nothing to measure with, else 0: a figure that misses what is wanted is shown, and is no error.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from harness.backends import Backends, BackendsUnfit
from harness.bench import QUICK, Bench, Sizes, tell
from harness.child import ChildFailed
from harness.contender import Contender
from harness.figures import table
from harness.ours import Taskrunner
from harness.peers import BullMQ, Celery, Dramatiq
from harness.target import Target
from harness.variants import Embedded, OnPostgres
from scenarios import batches, depths, drains, fairness, handlers, slots, submits, watchers

_ROOT = Path(__file__).parents[1]
_RESULTS = _ROOT / "bench" / "results"
SCENARIOS: dict[str, Callable[[Bench], None]] = {
    "instant": drains.instant,
    "slow": drains.slow,
    "sql": drains.sql,
    "noop": handlers.noop,
    "remote": handlers.remote,
    "post": submits.post,
    "keyed": submits.keyed,
    "watchers": watchers.watchers,
    "bulk": submits.bulk,
    "batch": batches.batch,
    "fair": fairness.fair,
    "slots": slots.slots,
    "deep": depths.deep,
}
CONTENDERS = ("taskrunner", "bullmq", "dramatiq", "celery")
_ONLY_IN_FULL = {"deep"}


def main() -> int:
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _leave)
    folder = Path(tempfile.mkdtemp(prefix="taskrunner-bench-"))
    try:
        return _run(options, folder)
    except (BackendsUnfit, ChildFailed) as exc:
        tell(f"bench: {exc}")
        return 2
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, folder: Path) -> int:
    backends = Backends()
    with Target(folder) as target:
        ours = Taskrunner(backends, folder, target.port)
        peers = [peer(backends, folder) for peer in (BullMQ, Dramatiq, Celery)]
        all_contenders: list[Contender] = [ours, *peers]
        wanted = [each for each in all_contenders if each.name.lower() in options.contenders]
        bench = Bench(
            backends=backends,
            target=target,
            ours=ours,
            contenders=_prepared(wanted),
            on_sql=[variant(backends, folder, target.port) for variant in (OnPostgres, Embedded)],
            sizes=_sizes(options),
            folder=folder,
        )
        started = datetime.now(UTC)
        try:
            for name in _scenarios(options):
                SCENARIOS[name](bench)
        finally:
            _report(bench, started)
    return 1 if bench.losses else 0


def _scenarios(options: argparse.Namespace) -> list[str]:
    return options.only or [name for name in SCENARIOS if options.full or name not in _ONLY_IN_FULL]


def _prepared(contenders: Sequence[Contender]) -> list[Contender]:
    """Those that can be installed here. Ours must be, a peer may be missing."""
    ready = []
    for contender in contenders:
        try:
            contender.prepare()
        except (ChildFailed, OSError) as exc:
            if isinstance(contender, Taskrunner):
                raise
            tell(f"{contender.name} is left out: {exc}")
        else:
            ready.append(contender)
    return ready


def _report(bench: Bench, started: datetime) -> None:
    if not bench.figures:
        return
    details = {
        "started": started.isoformat(timespec="seconds"),
        "commit": _output_of(["git", "-C", str(_ROOT), "describe", "--always", "--dirty"]),
        "machine": {"cpus": os.cpu_count(), "kind": platform.machine(), "load": os.getloadavg()},
        "versions": bench.backends.versions()
        | {"python": platform.python_version(), "node": _output_of(["node", "--version"])},
        **bench.as_json(),
    }
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{started:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(details, indent=1))
    print(table(bench.figures))
    for loss in bench.losses:
        print(f"LOST: {loss}")
    tell(f"details: {path.relative_to(_ROOT)}")


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else Sizes()
    if options.tasks:
        sizes = dataclasses.replace(sizes, drain=options.tasks, post=options.tasks)
    return dataclasses.replace(sizes, repeat=options.repeat) if options.repeat else sizes


def _output_of(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return names

    return parse


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        type=_names(list(SCENARIOS)),
        metavar="NAMES",
        help=f"comma-separated, of {', '.join(SCENARIOS)}; default: all but {', '.join(_ONLY_IN_FULL)}",
    )
    parser.add_argument("--full", action="store_true", help="with a million tasks queued, too (long)")
    parser.add_argument("--quick", action="store_true", help="few tasks, one run of each")
    parser.add_argument("--tasks", type=_positive, help="tasks of a drain and requests of the load")
    parser.add_argument("--repeat", type=_positive, help="runs of each; the median counts")
    parser.add_argument(
        "--contenders",
        type=_names(CONTENDERS),
        default=list(CONTENDERS),
        metavar="NAMES",
        help=f"comma-separated, of {', '.join(CONTENDERS)}, for the instant drain",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
