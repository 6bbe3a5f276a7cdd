"""`taskrunner webhooks`: manage webhooks, directly in the store."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.webhook import WebhookView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.streams import LineOutput
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.callback import EVENTS
from taskrunner.domain.tasks.change import ChangeEvent
from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.domain.webhooks.webhook_draft import WebhookConditions, WebhookDraft
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.webhook_admin import WebhookAdmin


@click.group(cls=CommandGroup, name="webhooks")
def webhooks_command() -> None:
    """Manage webhooks, which receive the ends, or other changes, of all tasks that match a filter."""


@webhooks_command.command(name="list")
@config_option
@json_option
def list_all(config_path: Path | None, as_json: bool) -> None:
    """Print all webhooks by name, one per line."""

    async def use(webhooks: WebhookAdmin) -> None:
        with LineOutput() as output:
            for webhook in await webhooks.list(""):
                output.write(_line(webhook, as_json=as_json))

    _use(config_path, use)


@webhooks_command.command()
@config_option
@click.argument("name")
@json_option
def show(config_path: Path | None, name: str, as_json: bool) -> None:
    """Print a webhook."""

    async def use(webhooks: WebhookAdmin) -> None:
        click.echo(_line(await webhooks.get(name), as_json=as_json))

    _use(config_path, use)


@webhooks_command.command()
@config_option
@click.argument("name")
@click.option("--url", required=True, help="Where to send the reports.")
@click.option("--secret", metavar="NAME", help="The configured secret that signs them.")
@click.option("--tls", metavar="NAME", help="The configured TLS profile to send them with.")
@click.option(
    "--event",
    "events",
    multiple=True,
    help=f"A change to report; repeatable: {', '.join(ChangeEvent)} [{', '.join(EVENTS)}].",
)
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Only tasks with it; repeatable.")
@click.option("--queue", help="Only tasks of this queue.")
@click.option("--executor", metavar="NAME", help="Only tasks of this executor.")
@click.option("--host", help="Only tasks for this host.")
@click.option("--outcome", help="Only tasks whose last attempt ended so.")
@click.option("--created-by", metavar="KEY", help="Only tasks that this API key made.")
@click.option("--enabled/--disabled", default=True, help="Whether it hears anything.")
@json_option
def put(config_path: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Create a webhook of this name, or replace it.

    Example: put failures --url https://my.example/hook --event failed --label team=red
    """
    conditions = {each: given.pop(each) for each in WebhookConditions.model_fields}
    fields = {each: value for each, value in given.items() if value not in {None, ()}}
    fields["filter"] = {each: value for each, value in conditions.items() if value not in {None, ()}}

    async def use(webhooks: WebhookAdmin) -> None:
        draft = WebhookDraft.from_json(encode({"name": name, **fields}), webhooks.limits)
        webhook, _ = await webhooks.put(name, draft, None)
        click.echo(_line(webhook, as_json=as_json))

    _use(config_path, use, "webhooks.set", name)


@webhooks_command.command()
@config_option
@click.argument("name")
def delete(config_path: Path | None, name: str) -> None:
    """Delete a webhook. Its reports that are on their way go on."""

    async def use(webhooks: WebhookAdmin) -> None:
        await webhooks.delete(name)

    _use(config_path, use, "webhooks.delete", name)


def _use(
    config_path: Path | None,
    use: Callable[[WebhookAdmin], Awaitable[None]],
    action: str | None = None,
    target: str = "",
) -> None:
    """`action` is for the audit, None for a command that only reads."""

    async def on_platform(platform: Platform, _: Change | None = None) -> int:
        await use(platform.webhook_admin)
        return 0

    config = load(config_path)
    if action is None:
        raise SystemExit(run(operate(config, on_platform)))
    raise SystemExit(run(change(config, on_platform, action, target)))


def _line(webhook: Webhook, *, as_json: bool) -> str:
    view = WebhookView.of(webhook, known_as=webhook.name)
    if as_json:
        return encode(view).decode()
    words = [view.name, view.url, ",".join(view.events)]
    words += [f"label {each}" for each in view.filter.label]
    conditions = ("queue", "executor", "host", "outcome", "created_by")
    words += [f"{each} {value}" for each in conditions if (value := getattr(view.filter, each)) is not None]
    return "  ".join([*words, *([] if view.enabled else ["disabled"])])
