"""Running the programs that scripts/deploy_tools.sh installs, or that it finds."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Beside the interpreter of the virtual environment.
TOOLS = Path(sys.prefix) / "deploy" / "bin"


def run(*command: str | Path, environ: dict[str, str] | None = None) -> str:
    """What a program prints; an exit code other than 0 fails the test with all that it said."""
    path = os.pathsep.join([str(TOOLS), os.environ["PATH"]])
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={"PATH": path, "HOME": os.environ.get("HOME", "/"), **(environ or {})},
        capture_output=True,
        timeout=120,
        text=True,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
