"""The generated code is that of proto/, and the messages have what the API has."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_generated_code_is_up_to_date(tmp_path: Path) -> None:
    """`make proto` would change nothing."""
    command = [ROOT / "scripts" / "proto.sh", tmp_path]
    subprocess.run(
        command, env={"BIN": str(Path(sys.executable).parent), "PATH": "/usr/bin:/bin"}, check=True
    )
    made = {path.name: path.read_text() for path in (tmp_path / "taskrunner" / "v1").iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "taskrunner" / "v1").glob("*_pb2*.py*")}
    assert kept == made
