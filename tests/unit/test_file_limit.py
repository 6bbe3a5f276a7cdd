"""The limit of open files."""

import subprocess
import sys

import pytest

from tests.tools.waiting import PATIENCE

ASK = """
import resource, sys
from taskrunner.runtime.file_limit import affordable_connections
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(affordable_connections(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "connections", "raised"),
    [
        (1024, 4096, 2500, 2500, 2624),
        (1024, 4096, 900, 900, 1024),
        (1024, 1024, 2500, 900, 1024),
        (256, 512, 2500, 388, 512),
        (100, 100, 2500, 25, 100),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_needed(
    soft: int, hard: int, wanted: int, connections: int, raised: int
) -> None:
    """Never lowered, and never beyond the hard limit; then there are fewer connections."""
    command = [sys.executable, "-c", ASK, str(soft), str(hard), str(wanted)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert output.split() == [str(connections), str(raised)]
