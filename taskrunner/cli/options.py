"""Options that several subcommands share."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

from taskrunner.domain.task_filter import CONDITIONS, TaskFilter, read_filter

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


def selection(given: Mapping[str, Sequence[str]]) -> TaskFilter:
    """What the options of `conditions` select. Raises `FilterInvalid`."""
    return read_filter({name: values for name, values in given.items() if values}, now=datetime.now(UTC))


def scope_options(function: Any) -> Any:
    """`--queue`, `--label` and `--all`: what `pause` and `resume` are about."""
    queue = click.option("--queue", "queues", multiple=True, help="high, medium or low; repeatable.")
    label = click.option("--label", "labels", multiple=True, help="NAME=VALUE, or NAME; repeatable.")
    return queue(label(click.option("--all", "everything", is_flag=True, help="Everything.")(function)))
