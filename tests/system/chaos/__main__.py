"""The chaos campaign as a program.

    python -m tests.system.chaos --runs 120 --seed 1       every fault, on servers of its own (`make chaos`)
    python -m tests.system.chaos --only F17 --runs 3       one fault
    python -m tests.system.chaos --list                    what there is, and what is not done and why
    python -m tests.system.chaos --api http://host:8000 --target-host 10.0.0.5 --fault 'kubectl delete pod …'

The last form drives any deployment: it hands in tasks for a target that it serves itself, runs the command in
the middle, and holds the ledgers against what the API says. Exit code 1 tells of a broken promise.
"""

import argparse
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

SCRIPTS = Path(__file__).parents[3] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from servers.fleet import Fleet  # noqa: E402 - scripts/ is on the path from here on
from servers.programs import install  # noqa: E402

from tests.system.chaos import campaign, report, trial  # noqa: E402
from tests.system.chaos.broker_faults import hasten_dead_letters  # noqa: E402
from tests.system.chaos.catalogue import FAULTS, listed, name_of  # noqa: E402
from tests.system.chaos.traffic import Orders, Traffic  # noqa: E402
from tests.system.harness.target import Target  # noqa: E402


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers must not outlive us
    if options.list:
        return _list()
    if options.merge:
        return _tell(report.merged(options.merge), options.report)
    with tempfile.TemporaryDirectory(prefix="taskrunner-chaos-") as folder:
        if options.api:
            return _drill(options, Path(folder))
        return _campaign(options, Path(folder))


def _campaign(options: argparse.Namespace, folder: Path) -> int:
    plan = campaign.Plan.make(options.seed, options.runs or len(options.only or FAULTS), options.only or ())
    install(["rabbitmq", "redis"])
    fleet = Fleet.create(folder / "servers")
    with Target() as target:
        settings = trial.Settings(tasks=options.tasks)
        chaos = campaign.Campaign(fleet, target, folder, settings, rate=options.rate)
        try:
            fleet.start(["rabbitmq", "redis"])
            hasten_dead_letters(fleet)
            for number, result in enumerate(chaos.run(plan), 1):
                print(f"{number:>4}/{len(plan.trials)} {report.line(result)}", flush=True)
                report.write(options.report, report.content(chaos))
        finally:
            fleet.stop()
    return _tell(report.content(chaos), options.report)


def _tell(content: report.Content, path: Path) -> int:
    report.write(path, content)
    print(report.table(content))
    for name, value in {**content["summary"], "closings": content["closings"]}.items():
        print(f"{name}: {value}")
    return int(not report.is_clean(content))


def _drill(options: argparse.Namespace, folder: Path) -> int:
    """Traffic and checks against a deployment that is somebody else's; the fault is a command, or a pause."""
    address = urlsplit(options.api)
    with Target(host=options.target_host, port=options.target_port) as target:
        run = f"drill-{secrets.token_hex(3)}"
        orders = Orders(target.url("").rstrip("/"), run, secrets.token_hex(8))
        ports, host = [address.port or 80], address.hostname or "127.0.0.1"
        traffic = Traffic(ports, folder, orders, rate=options.rate, host=host)

        def inject() -> None:
            if options.fault:
                subprocess.run(options.fault, shell=True, check=True)
            else:
                time.sleep(5.0)

        result = trial.run(
            "drill",
            options.seed,
            traffic,
            target,
            inject,
            lambda _: None,
            trial.Settings(tasks=options.tasks),
        )
    print(report.line(result))
    return int(bool(result.findings))


def _list() -> int:
    for fault_id in sorted(FAULTS):
        print(f"{fault_id:<6} {FAULTS[fault_id].profile:<7} {name_of(fault_id)}")
    for fault_id, fault in listed().items():
        if "undone" in fault:
            print(f"{fault_id:<6} not done: {fault['name']}: {fault['undone']}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, help="trials in all; default: each fault once")
    parser.add_argument("--seed", type=int, default=1, help="of the order and of every choice")
    parser.add_argument(
        "--only", action="append", choices=sorted(FAULTS), metavar="ID", help="may be repeated"
    )
    parser.add_argument("--tasks", type=int, default=1000, help="accepted per trial at least")
    parser.add_argument("--rate", type=float, default=campaign.RATE, help="submits a second")
    parser.add_argument(
        "--report", type=Path, default=Path("chaos.json"), help="where the results go, as JSON"
    )
    parser.add_argument("--merge", nargs="+", type=Path, help="reports to make one of, instead of a campaign")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--api", metavar="URL", help="drive this deployment instead of one of our own")
    parser.add_argument("--target-host", default="127.0.0.1", help="with --api: where its consumers reach us")
    parser.add_argument(
        "--target-port", type=int, default=0, help="with --api: a port that its tasks may reach"
    )
    parser.add_argument("--fault", metavar="COMMAND", help="with --api: the shell command in the middle")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
