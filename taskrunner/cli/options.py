"""Options that several subcommands share."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

from taskrunner.domain.selection import CONDITIONS, Selection, read_selection

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The configuration file [default: $TASKRUNNER_CONFIG, else config.yaml here if there is one].",
)


def conditions(names: Sequence[str] = tuple(CONDITIONS)) -> Callable[[Any], Any]:
    """The options of a selection, by the names that the API's queries have; see `selection`."""

    def decorate(function: Any) -> Any:
        options = [
            click.option(f"--{name.replace('_', '-')}", name, multiple=True, help=CONDITIONS[name])
            for name in reversed(names)
        ]
        return reduce(lambda decorated, option: option(decorated), options, function)

    return decorate


def selection(given: Mapping[str, Sequence[str]]) -> Selection:
    """What the options of `conditions` select. Raises `SelectionInvalid`."""
    return read_selection({name: values for name, values in given.items() if values}, now=datetime.now(UTC))
