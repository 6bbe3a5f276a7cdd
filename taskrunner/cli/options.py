"""Options that several subcommands share."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import click

from taskrunner.domain.duration import read_duration
from taskrunner.domain.tasks.task_filter import CONDITIONS, TaskFilter, read_filter

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Configuration file [default: $TASKRUNNER_CONFIG, else ./config.yaml if it exists].",
)
handlers_option = click.option(
    "--handlers",
    metavar="MODULES",
    help="Python modules with handlers, such as myapp.tasks (Workers.handlers).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="Print at most this many.",
)


class Duration(click.ParamType[float]):
    """Seconds, or a duration with units."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return read_duration(value) if isinstance(value, str) else float(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


DURATION = Duration()


def filter_options(names: Sequence[str] = tuple(CONDITIONS)) -> Callable[[Any], Any]:
    """The conditions of a task filter, named as in the API's queries; `task_filter` reads them."""

    def decorate(function: Any) -> Any:
        options = [
            click.option(f"--{name.replace('_', '-')}", name, multiple=True, help=CONDITIONS[name])
            for name in reversed(names)
        ]
        return reduce(lambda decorated, option: option(decorated), options, function)

    return decorate


def task_filter(given: Mapping[str, Sequence[str]]) -> TaskFilter:
    """The filter that the options of `filter_options` describe. Raises `FilterInvalid`."""
    return read_filter({name: values for name, values in given.items() if values}, now=datetime.now(UTC))
