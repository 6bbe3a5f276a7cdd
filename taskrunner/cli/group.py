"""A group of commands that proposes names; the root imports it, so it imports nothing of ours."""

import click


class Group(click.Group):
    """A group that proposes a name for one that was misspelt, as click does for options."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # 50 ms of a start, for what seldom happens.
            from taskrunner.domain.messages import did_you_mean

            ctx.fail(f"no such command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)
