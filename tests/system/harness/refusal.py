"""Commands whose store cannot be used: they are run here, and what they must say of it is checked."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.system.harness import process
from tests.system.harness.command_line import run

ALL = ("all",)
DEV = ("dev", "--port", "0", "--data", ".")
PRODUCE = ("produce", "--url", "http://target.test/")
UPGRADE = ("db", "upgrade")
# It wants a RabbitMQ; one that is away does not keep it from looking at its store.
CONSUME = ("consume",)


def command(
    folder: Path, store: str, *words: str, before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `words` to their end in `folder`, with the store of that URL."""
    settings: dict[str, object] = {
        "STORE__URL": store,
        "RABBIT__ADDR": "amqp://127.0.0.1:1/" if words == CONSUME else "memory://",
        "API__PORT": 0,
        "SERVER__PORT": 0,
        "LOGGER__LEVEL": "error",
    }
    if before is None:
        return run(folder, settings, *words)
    return process.run(folder, settings, *words, before=before)


def refused(done: "subprocess.CompletedProcess[str]", where: str, *way_out: str) -> None:
    """The command ended with 3 and said in one line what is wrong `where`, with one of the ways out."""
    assert done.returncode == 3, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("taskrunner: ")
    assert where in line
    assert any(words in line for words in way_out), line
    assert "Traceback" not in done.stderr
