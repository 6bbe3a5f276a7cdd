"""A task passes the files that the decision page lists, and no others."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.tools.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/decisions/path-of-a-task.md"
POST_LIMIT, DELIVERY_LIMIT = 22, 32


def test_no_file_joins_the_path_of_a_task_unnoticed() -> None:
    """The limits are those of the files that a reader opens; the page also lists what is not counted."""
    listed = [
        {line.split()[0] for line in block.splitlines()}
        for block in re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    ]
    # Servers of other tests would have other consumers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKRUNNER_")}
    output = subprocess.run(
        [sys.executable, ROOT / "scripts/path_of_a_task.py"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment,
    )
    post, delivery, _fetch = re.split(r"^(?=\S)", output.stdout, flags=re.MULTILINE)[1:]
    passed = [set(re.findall(r"^ {4}(\S+):", part, re.MULTILINE)) for part in (post, delivery)]
    assert passed == listed
    assert len(passed[0]) <= POST_LIMIT
    assert len(passed[1]) <= DELIVERY_LIMIT
