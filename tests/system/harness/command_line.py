"""Commands of taskrunner, run to their end in this process.

A process costs half a second of processor time before it does anything. Commands start as processes where
that is the point: streams and signals in `test_streams`, the services everywhere.
"""

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from taskrunner.cli.main import main
from tests.system.harness import process

_SERVICES = ("serve", "consume", "all", "dev", "demo")


def run(
    folder: Path, settings: Mapping[str, object], *words: str, given: bytes = b""
) -> "subprocess.CompletedProcess[str]":
    """Run a command with `settings` as its environment, in `folder`, with `given` on its standard input."""
    if words[0] in _SERVICES:  # they set up logging and signals of their whole process
        return process.run(folder, settings, *words)
    wanted = process.environment(settings)
    others: dict[str, str | None] = dict.fromkeys(os.environ.keys() - wanted.keys())
    with contextlib.chdir(folder):
        result = CliRunner().invoke(
            main, words, input=given, env=others | wanted, prog_name="taskrunner", catch_exceptions=False
        )
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)
