"""`taskrunner config`: check the configuration, or show the settings in force."""

import json
from itertools import groupby
from pathlib import Path

import click

from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option
from taskrunner.config import Config, load, read
from taskrunner.config.in_force import in_force
from taskrunner.config.tls_profiles import read_key_passwords
from taskrunner.config.worker_caps import worker_caps
from taskrunner.runtime.machine_limits import MachineLimits


@click.group(cls=CommandGroup, name="config")
def config_command() -> None:
    """Check or show the configuration.

    Flags override environment variables, which override the file, which overrides the defaults.
    """


@config_command.command()
@config_option
def check(config_path: Path | None) -> None:
    """Print everything that is wrong with the configuration. Exits with 2 if anything is.

    Notes say what this machine keeps a consumer from, such as its limit of open files.
    """
    reading = read(config_path)
    read_key_passwords(reading.config.fetch.tls)
    click.echo(f"{reading.path or 'no file'}: the configuration is valid")
    for cap in worker_caps(reading.config, MachineLimits.read()):
        click.echo(f"note: {cap}", err=True)


@config_command.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, without the sources.")
def show(config_path: Path | None, as_json: bool) -> None:
    """Print every setting with its value and source. Secrets are masked."""
    config = load(config_path)
    if as_json:
        click.echo(json.dumps(config.redacted(), indent=2))
        return
    for line in _as_yaml(config):
        click.echo(line)


def _as_yaml(config: Config) -> list[str]:
    lines = []
    for section, settings in groupby(in_force(config), key=lambda each: each.section):
        lines.append(f"{section}:")
        # JSON is valid YAML and needs no quoting rules.
        lines += [f"  {each.name}: {json.dumps(each.value)}  # {each.source}" for each in settings]
    return lines
