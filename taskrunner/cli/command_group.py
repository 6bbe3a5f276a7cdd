"""Commands and groups that help with wrong usage; the root imports them, so they import nothing heavy."""

from collections import Counter

import click


class Command(click.Command):
    """Refuses an option that is given twice; click would obey the last one only."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for param, count in Counter(given).items():
            if count > 1 and isinstance(param, click.Option) and not (param.multiple or param.is_flag):
                ctx.fail(f"{param.opts[-1]} is given more than once; keep one")
        return super().parse_args(ctx, args)


class CommandGroup(click.Group):
    """Suggests a command for a misspelt name, as click does for options."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # Importing this at the top would add 50 ms to every start.
            from taskrunner.domain.messages import did_you_mean

            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class ListingGroup(CommandGroup):
    """Lists without a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        return super().parse_args(ctx, ["list", *args] if not args or is_option else args)
