"""Options that several subcommands share."""

from pathlib import Path

import click

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The configuration file [default: $TASKRUNNER_CONFIG, else config.yaml here if there is one].",
)
