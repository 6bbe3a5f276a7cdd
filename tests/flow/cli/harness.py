"""The command line in this process, on a SQLite file that holds one task of each kind."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.platform import Platform
from taskrunner.cli.main import main
from taskrunner.config import load
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.record import Attempt, DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.settlement import RetentionSettings, settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.value import replace
from taskrunner.stores.base import AttemptRef

AGE = timedelta(days=2)
ALL = {"red", "pale", "new", "old"}


@dataclass(frozen=True, slots=True)
class Cli:
    """Commands on one file; `folder` is their current folder."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TASKRUNNER_CONFIG": os.devnull,
            "TASKRUNNER_STORE__URL": f"sqlite:///{self.folder}/taskrunner.db",
            "TASKRUNNER_RABBIT__ADDR": "memory://",
        }

    def run(self, *words: str, given: bytes = b"", environ: Mapping[str, str] | None = None) -> Result:
        """Run a command to its end; a bug of ours is told with its traceback."""
        env = {**self.environment, **(environ or {})}
        result = CliRunner().invoke(main, list(words), input=given, env=env)
        assert "internal error" not in result.output, (words, result.output)
        return result

    def ok(self, *words: str, given: bytes = b"") -> str:
        """The standard output of a command that succeeds."""
        result = self.run(*words, given=given)
        assert result.exit_code == 0, (words, result.output)
        return result.stdout


Case = Callable[[Cli], None]


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def submitted(cli: Cli, *words: str) -> Any:
    task_id = cli.ok("produce", "--url", "http://a.test/", *words).strip()
    return json.loads(cli.ok("task", "show", task_id))


def scheduled(cli: Cli, command: str, *words: str) -> Any:
    if command == "schedule update":
        cli.ok("schedule", "create", "s", "--cron", "@daily", "--url", "http://a.test/")
        return lines(cli.ok("schedule", "update", "s", "--json", *words))[0]
    needed = {"--cron": "@daily", "--url": "http://a.test/"}
    given = [word for name, value in needed.items() if name not in words for word in (name, value)]
    return lines(cli.ok("schedule", "create", "s", "--json", *given, *words))[0]


def task_of(cli: Cli, command: str, *words: str) -> Any:
    return submitted(cli, *words) if command == "produce" else scheduled(cli, command, *words)["task"]


async def make_file(cli: Cli, **fields: Any) -> None:
    """Tasks `red` and `pale` that failed, `new` and `old` that wait, and the dead message `message`.

    `red` and `new` are of now, for host a.test, labelled, and submitted with the key `web`; the others of
    two days ago, for b.test.
    """
    config = load(environ=cli.environment)
    await upgrade_store(config)
    platform = Platform(config, publishes=False)
    now = datetime.now(UTC)
    async with platform.running(need_store=True):
        for name in ("red", "new"):
            draft = {"url": "http://a.test/", "labels": {"team": "red"}, "priority": "high", **fields}
            await _accept(platform, name, draft, now, created_by="web")
        for name in ("pale", "old"):
            await _accept(platform, name, {"url": "http://b.test/", "priority": "low"}, now - AGE)
        await _fail(platform, "red", OutcomeKind.HTTP_ERROR, now)
        await _fail(platform, "pale", OutcomeKind.TIMEOUT, now - AGE)
        letter = DeadLetter(
            id="message",
            kind=DeadLetterKind.MESSAGE,
            reason="rejected",
            error="is not a task",
            died_at=now - AGE,
            queue="low",
            url=str(fields.get("url", "http://b.test/")),
            raw=b'{"url": "ftp://b.test/"}',
        )
        await platform.store.add_dead_messages([letter], retention=864_000.0)


async def _accept(
    platform: Platform, name: str, fields: Mapping[str, Any], now: datetime, *, created_by: str | None = None
) -> None:
    settings = platform.config.task_settings()
    task = TaskDraft.from_fields({**fields, "id": name}, settings.limits).to_task(
        settings, task_id=name, now=now
    )
    task = replace(task, created_by=created_by)
    await platform.store.accept([NewTask.of(task, due=datetime.now(UTC) + AGE)])


async def _fail(platform: Platform, name: str, kind: OutcomeKind, now: datetime) -> None:
    record = await platform.store.get(name)
    assert record is not None
    ref = AttemptRef(id=name, attempt=1)
    await platform.store.claim([ref], now=now, lease_until=now + timedelta(seconds=30), consumer="c")
    answered = Response(status=500, url=record.task.url or "") if kind is OutcomeKind.HTTP_ERROR else None
    attempt = Attempt(number=1, consumer="c", started_at=now)
    outcome = Outcome(kind=kind, error="failed in a test", response=answered)
    verdict = Verdict(status=Status.FAILED, reason=kind.value)
    settled = settlement(record.task, attempt, outcome, verdict, RetentionSettings(), now=now, webhooks=())
    assert await platform.store.settle([settled], now=now) == [True]
