"""The commands on an unusable PostgreSQL: exit 3, one line that says what to do, no password shown."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from servers.fleet import Fleet
from servers.programs import install

from tests.system.harness.refusal import ALL, CONSUME, PRODUCE, UPGRADE, command, refused
from tests.tools.stores import execute

PASSWORD = "not-the-password"
GUARDED = "guarded"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose role `guarded` needs a password, and whose database `made` has a task."""
    install(["postgres"])
    fleet = Fleet.create()
    try:
        fleet.start(["postgres"])
        facts = fleet.read()["services"]["postgres"]
        asyncio.run(
            execute(facts["url"], f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right'", "CREATE DATABASE made")
        )
        fleet.down("postgres")
        rules = Path(facts["data"]) / "data" / "pg_hba.conf"
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        fleet.up("postgres")
        for words in (UPGRADE, PRODUCE):
            done = command(tmp_path_factory.mktemp("made"), beside(facts["url"], "made"), *words)
            assert done.returncode == 0, done.stderr
        yield facts["url"]
    finally:
        fleet.stop()


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """A copy of that database, which has its task after the test too."""
    name = f"t{secrets.token_hex(4)}"
    asyncio.run(execute(server, f"CREATE DATABASE {name} TEMPLATE made"))
    yield beside(server, name)
    assert asyncio.run(tasks_in(beside(server, name))) == 1


def beside(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


async def tasks_in(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM taskrunner_tasks"))
    finally:
        await connection.close()


def where(url: str) -> str:
    """How a message may name it."""
    return url.rpartition("@")[2].partition("?")[0]


@pytest.mark.parametrize("words", [PRODUCE, UPGRADE], ids=" ".join)
def test_a_server_that_is_away(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Those that need it now; the others go on and wait for it."""
    done = command(tmp_path, f"postgresql://me:{PASSWORD}@127.0.0.1:1/tasks", *words)
    refused(done, "PostgreSQL at 127.0.0.1:1/tasks", "cannot reach")
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize("words", [ALL, UPGRADE, CONSUME], ids=" ".join)
def test_a_newer_schema(url: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    """The database stays as it is."""
    asyncio.run(execute(url, "UPDATE taskrunner_schema SET version_num = '9999'"))
    refused(command(tmp_path, url, *words), where(url), "install the newer taskrunner")


@pytest.mark.parametrize("words", [ALL, PRODUCE, UPGRADE], ids=" ".join)
def test_a_wrong_password(url: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    """No password comes out, neither at once nor after some tries."""
    done = command(tmp_path, url.replace("postgres@", f"{GUARDED}:{PASSWORD}@"), *words)
    refused(done, where(url), "refuses our password: check the URL")
    assert PASSWORD not in done.stderr


def test_transactions_that_are_read_only(url: str, tmp_path: Path) -> None:
    """By default, for this role or this database; a standby says the same."""
    done = command(tmp_path, f"{url}?options=-c%20default_transaction_read_only%3Don", *PRODUCE)
    refused(done, where(url), "default_transaction_read_only")
