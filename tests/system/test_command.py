"""The command as a separate process."""

import subprocess
import sys

from tests.tools.waiting import PATIENCE


def test_help_imports_no_subcommand() -> None:
    """Nor pydantic or a driver, so that it starts fast."""
    code = (
        "import sys\nfrom taskrunner.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'pydantic', 'aiohttp', 'pika', 'redis', 'taskrunner.config', 'taskrunner.cli.config'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
