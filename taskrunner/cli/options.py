"""Options that several subcommands share."""

from pathlib import Path

import click


class Group(click.Group):
    """A group that proposes a name for one that was misspelt, as click does for options."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # 50 ms of a start, for what seldom happens.
            from taskrunner.domain.validation import did_you_mean

            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The configuration file [default: $TASKRUNNER_CONFIG, else config.yaml here if there is one].",
)
