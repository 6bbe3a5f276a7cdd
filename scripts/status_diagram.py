"""Draw the statuses of a task, from `domain/tasks/status.py`, into docs/architecture.md.

python scripts/status_diagram.py           # writes the diagram
python scripts/status_diagram.py --check   # exits with 1 if the page is out of date
"""

import argparse
import sys
from pathlib import Path

from taskrunner.domain.tasks.status import FOLLOWERS, TERMINAL, Status

PAGE = Path(__file__).parent.parent / "docs" / "architecture.md"
BEGIN = "<!-- status diagram: written by scripts/status_diagram.py -->\n"
END = "<!-- end of the status diagram -->\n"

# Only labels: an arrow without one is drawn as well.
LABELS = {
    (Status.SCHEDULED, Status.QUEUED): "published",
    (Status.QUEUED, Status.QUEUED): "published again",
    (Status.QUEUED, Status.RUNNING): "claimed",
    (Status.QUEUED, Status.SCHEDULED): "snoozed",
    (Status.RUNNING, Status.SCHEDULED): "snoozed by its handler",
    (Status.RUNNING, Status.RETRYING): "retry",
    (Status.RUNNING, Status.SUCCEEDED): "settled",
    (Status.RETRYING, Status.QUEUED): "published",
    (Status.FAILED, Status.SCHEDULED): "requeued",
}


def diagram() -> str:
    """A Mermaid state diagram of every transition in `FOLLOWERS`."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Status.SCHEDULED}"]
    for status in Status:
        for follower in Status:
            if follower in FOLLOWERS[status]:
                label = LABELS.get((status, follower))
                lines.append(f"    {status} --> {follower}" + (f": {label}" if label else ""))
    lines += [f"    {status} --> [*]" for status in Status if status in TERMINAL]
    return "\n".join([*lines, "```"]) + "\n"


def with_diagram(page: str) -> str:
    """The page with the current diagram between the markers."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{PAGE.name} must contain the lines {BEGIN.strip()!r} and {END.strip()!r}")
    return before + BEGIN + diagram() + END + after


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if out of date")
    arguments = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    current = with_diagram(page)
    if arguments.check:
        return int(page != current)
    PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
