"""A marked secret is put wherever a task can hold one: no command prints it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskrunner.cli.main import main
from tests.flow.cli.harness import Cli, make_file
from tests.flow.cli.test_options import named, walk

SECRET = "s3cretMark"
URL = f"http://a.test/?token={SECRET}&sig={SECRET}&page=1"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}"}
HOOK = f"https://hook.test/?key={SECRET}"
# Those that run until a signal, and one that is above with more options.
NOT_HERE = {"serve", "consume", "all", "dev", "demo", "schedule create"}


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    cli = Cli(tmp_path)
    (tmp_path / "urls").write_text(
        f'{URL}\nftp://a.test/?token={SECRET}\n{{"url": "ftp:/?api_key={SECRET}"}}'
    )
    asyncio.run(make_file(cli, url=URL, headers=HEADERS, body=SECRET, callback={"url": HOOK}))
    return cli


def further() -> Iterator[tuple[str, ...]]:
    task = ("--url", URL, "--header", f"Authorization: {SECRET}", "--data", SECRET, "--callback", HOOK)
    yield ("produce", *task)
    yield ("produce", *task, "--json")
    yield ("produce", "--url", f"ftp://a.test/?token={SECRET}")
    yield ("produce", "--url", f"http://me:{SECRET}@a.test:x/?token={SECRET}")
    yield ("produce", "--file", "urls", "--json")
    yield ("produce", *task, "--api", f"http://me:{SECRET}@127.0.0.1:1/")
    yield ("produce", *task, "--wait", "--wait-timeout", "1ms", "--json")
    yield ("schedule", "create", "t", "--cron", "@daily", *task)
    for words in (("--json",), ()):
        yield ("schedule", "list", *words)
        yield ("tasks", "list", *words)
        yield ("dead-letters", "list", *words)
        yield ("hosts", "list", *words)
    for form in ("json", "har", "curl"):
        yield ("task", "show", "red", "--attempt", "1", "--format", form)
    yield ("tasks", "list", "--host", f"http://me:{SECRET}@a.test/?token={SECRET}", "--status", "x")
    yield ("dead-letters", "show", "message")


def test_no_command_prints_a_secret(marked: Cli) -> None:
    """Each command with what it needs, and the forms in which it can print. Those that delete come last."""
    task = ("--url", URL, "--header", f"Authorization: {SECRET}", "--callback", HOOK)
    marked.ok("schedule", "create", "s", "--cron", "@daily", *task)
    named_commands = [(*name.split(), *named(name)) for name, _ in walk(main) if name not in NOT_HERE]
    named_commands.sort(key=lambda words: any(word in words for word in ("delete", "purge", "remove")))
    leaks = []
    for words in (*further(), *named_commands):
        output = marked.run(*words).output
        if SECRET in output:
            leaks.append((words, output))
    assert leaks == []
