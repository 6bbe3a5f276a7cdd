"""A group of commands that suggests names; the root imports it, so it imports nothing heavy."""

import click


class CommandGroup(click.Group):
    """Suggests a command for a misspelt name, as click does for options."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # Importing this at the top would add 50 ms to every start.
            from taskrunner.domain.messages import did_you_mean

            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)
