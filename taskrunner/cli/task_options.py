"""The options that describe a task, for `produce` and `schedule`."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from taskrunner.cli.options import DURATION
from taskrunner.domain.errors import FieldError, TaskInvalid

# Under which the context keeps the option that has standard input.
_STDIN = "taskrunner.stdin"
_DEDUP_FIELDS = {"dedup_key": "key", "dedup_ttl": "ttl", "dedup_mode": "mode"}
_CALLBACK_FIELDS = {
    "callback_url": "url",
    "callback_secret": "secret",
    "callback_events": "events",
    "callback_tls": "tls",
}

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--method", help="GET (default), HEAD, POST, PUT, PATCH, DELETE or OPTIONS."),
    click.option(
        "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable."
    ),
    click.option("--executor", metavar="NAME", help="The executor that runs the task, in place of a URL."),
    click.option(
        "--data", help="The request body, or the JSON for the executor; @FILE reads a file, - standard input."
    ),
    click.option("--queue", metavar="NAME", help="The queue to wait in: medium (default), or another one."),
    click.option("--priority", help="high, medium or low: picks the queue of this name."),
    click.option("--max-attempts", type=int, help="Attempts in total."),
    click.option(
        "--retry-on", multiple=True, type=int, metavar="STATUS", help="Retry on this status; repeatable."
    ),
    click.option(
        "--fail-on", multiple=True, type=int, metavar="STATUS", help="Fail on this status; repeatable."
    ),
    click.option(
        "--retry-unsafe",
        is_flag=True,
        default=None,
        help="Retry a POST or PATCH although the target may have acted on it.",
    ),
    click.option(
        "--redirects", metavar="WHICH", help="Which to follow: none, keep, follow (default) or rewrite."
    ),
    click.option(
        "--rules", metavar="JSON", help="Rules that decide by the response; @FILE reads them from a file."
    ),
    click.option(
        "--rules-unreadable",
        metavar="WHAT",
        help="If a rule needs a document that cannot be read: retry (default), fail or ignore.",
    ),
    click.option("--timeout", type=DURATION, help="The limit for one attempt: 30s, 2m."),
    click.option(
        "--label",
        "labels",
        multiple=True,
        metavar="NAME=VALUE",
        help="A label to find the task by; repeatable.",
    ),
    click.option(
        "--dedup", "dedup_key", metavar="KEY", help="At most one task of this key is alive at a time."
    ),
    click.option(
        "--dedup-ttl", type=DURATION, help="The key is also held this long from the task's acceptance."
    ),
    click.option(
        "--dedup-mode",
        metavar="MODE",
        help="If another task holds the key: return it (default), reject this one, or replace the other.",
    ),
    click.option(
        "--fairness-key",
        metavar="KEY",
        help="Tasks of different keys take turns; by default those of hosts do.",
    ),
    click.option("--tls", metavar="NAME", help="The TLS profile to use (Fetch.tls)."),
    click.option("--auth", metavar="NAME", help="The credential to send (Fetch.credentials)."),
    click.option("--callback", "callback_url", metavar="URL", help="POST to this URL when the task ends."),
    click.option(
        "--callback-secret", metavar="NAME", help="The secret that signs the callback (Callbacks.secrets)."
    ),
    click.option(
        "--callback-event",
        "callback_events",
        multiple=True,
        metavar="STATUS",
        help="Only on succeeded, failed or cancelled; repeatable.",
    ),
    click.option("--callback-tls", metavar="NAME", help="The TLS profile of the callback (Fetch.tls)."),
)


def task_options(command: Command) -> Command:
    """Add the options to a command; `task_fields` reads them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def task_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of `POST /tasks` that the options give."""
    fields = {
        name: value
        for name, value in given.items()
        if value not in (None, ())
        and name not in ("headers", "labels", "data", "rules")
        and name not in _CALLBACK_FIELDS
        and name not in _DEDUP_FIELDS
    }
    if callback := _group(given, _CALLBACK_FIELDS, "--callback"):
        fields["callback"] = callback
    if dedup := _group(given, _DEDUP_FIELDS, "--dedup"):
        fields["dedup"] = dedup
    if given["headers"]:
        fields["headers"] = pairs(given["headers"], ":", "--header")
    if given["labels"]:
        fields["labels"] = pairs(given["labels"], "=", "--label")
    if given["rules"] is not None:
        fields["rules"] = _json(given["rules"], "--rules")
    if given["data"] is not None:
        if given["executor"] is not None:
            fields["data"] = _json(given["data"], "--data")
        else:
            fields["body"] = content(given["data"], "--data")
            fields.setdefault("method", "POST")
    return fields


def _group(given: dict[str, Any], names: Mapping[str, str], option: str) -> dict[str, Any]:
    """A field of several options, the first of which, `option`, is needed."""
    found = {field: given[name] for name, field in names.items() if given[name] not in (None, ())}
    if found and next(iter(names.values())) not in found:
        raise click.UsageError(f"the other options that begin with {option} need {option}")
    return found


def pairs(texts: Sequence[str], separator: str, option: str) -> dict[str, str]:
    pairs = [_pair(text, separator, option) for text in texts]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise click.UsageError(f"{option}: {name!r} is given more than once")
    return dict(pairs)


def _pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found:
        raise click.UsageError(f"{option}: expected NAME{separator}VALUE, got {name[:40]!r}")
    return name.strip(), value.strip()


def json_text(text: str, option: str) -> str:
    """The text of JSON in an option, or in the file that the option names."""
    given = content(text, option)
    try:
        json.loads(given)
    except json.JSONDecodeError as exc:
        raise TaskInvalid([FieldError(field=option, message=f"is not JSON: {exc}")]) from exc
    return given


def _json(text: str, option: str) -> Any:
    return json.loads(json_text(text, option))


def claim_stdin(option: str) -> None:
    """Standard input can be read once. Raises `UsageError` if another option has it."""
    first = click.get_current_context().meta.setdefault(_STDIN, option)
    if first != option:
        raise click.UsageError(f"{first} and {option} both name standard input, which can be read once")


def content(text: str, option: str) -> str:
    """The text itself; for `@FILE` the content of the file, for `-` that of standard input."""
    if text != "-" and not text.startswith("@"):
        return text
    try:
        if text == "-":
            claim_stdin(option)
            return sys.stdin.buffer.read().decode()
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "is not UTF-8 text"
        what = "standard input" if text == "-" else repr(text[1:])
        raise TaskInvalid([FieldError(field=option, message=f"cannot read {what}: {why}")]) from exc
