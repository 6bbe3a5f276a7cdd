"""`taskrunner config`: check the configuration, or show what it comes to."""

import json
from pathlib import Path

import click

from taskrunner.cli.group import Group
from taskrunner.cli.options import config_option
from taskrunner.config import Reading, read
from taskrunner.config.keys import Key
from taskrunner.config.tls_profiles import read_key_passwords


@click.group(cls=Group, name="config")
def command() -> None:
    """Check or show the configuration.

    Flags go over the environment, that over the file, and that over the defaults.
    """


@command.command()
@config_option
def check(config_path: Path | None) -> None:
    """Tell everything that is wrong in the configuration; exit 2 if anything is."""
    reading = read(config_path)
    read_key_passwords(reading.config.fetch.tls)
    click.echo(f"{reading.path or 'no file'}: the configuration is valid")


@command.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object, without the sources.")
def show(config_path: Path | None, as_json: bool) -> None:
    """Print every setting, its value and where that is from; secrets are masked."""
    reading = read(config_path)
    if as_json:
        click.echo(json.dumps(reading.config.redacted(), indent=2))
        return
    for line in _as_yaml(reading):
        click.echo(line)


def _as_yaml(reading: Reading) -> list[str]:
    lines = []
    for section, settings in reading.config.redacted().items():
        lines.append(f"{section}:")
        for name, value in settings.items():
            source = reading.sources.get(Key(section=section, name=name), "default")
            # JSON is YAML, and has no surprises in quoting.
            lines.append(f"  {name}: {json.dumps(value)}  # {source}")
    return lines
