"""`taskrunner demo`: see it work, in a quarter of a minute."""

import tempfile
from pathlib import Path

import click

from taskrunner.app.loop import run
from taskrunner.demo.show import demo


@click.command("demo")
def command() -> None:
    """Run a handful of tasks against a flaky target and show what became of them.

    In a folder of its own, which is gone afterwards, and on free ports.
    """
    with tempfile.TemporaryDirectory(prefix="taskrunner-demo-") as folder:
        code = run(demo(Path(folder), click.echo))
    raise SystemExit(code)
