"""The SQL stores against real trouble: processes that race, locks, full disks, kills, restarts."""

import asyncio
import hashlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import asyncpg
import pytest
from servers.fleet import Fleet

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Event, Events, ServiceLost, ServiceRestored
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.sql import sqlite
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings
from taskrunner.stores.sql.store import SqlStore
from tests.contract.stores.harness import entries, entry
from tests.tools.stores import execute, postgres_schema, sql_store, sqlite_url
from tests.tools.waiting import PATIENCE, eventually

NOBODY = 65534
CHILD = Path(__file__).parent / "sql_child.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "taskrunner.db"


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield sqlite_url(path)
    else:
        async with postgres_schema(request.getfixturevalue("postgres_url")) as url:
            yield url


async def test_processes_that_upgrade_at_once_do_not_race(url: str) -> None:
    """Five start on an empty database; all of them succeed, and the store works."""
    children = [await start_child("upgrade", url) for _ in range(5)]
    for child in children:
        _, error = await child.communicate()
        assert child.returncode == 0, error.decode()
    async with sql_store(url) as store:
        await store.accept([entry()])


async def test_a_kill_loses_nothing_that_was_answered(url: str) -> None:
    """A process that is killed while it writes leaves every task that it was told of."""
    child = await start_child("accept", url)
    assert child.stdout is not None
    told = [(await child.stdout.readline()).decode().strip() for _ in range(30)]
    child.send_signal(signal.SIGKILL)
    told += (await child.stdout.read()).decode().splitlines()
    await child.wait()
    async with sql_store(url) as store:
        for task_id in told:
            assert await store.get(task_id) is not None
        counted = (await store.counts())[Status.SCHEDULED]
        assert counted >= len(told)


async def test_without_tables_the_upgrade_is_named(url: str, path: Path) -> None:
    """The store does not make tables by itself, and does not create a file either."""
    await refused(url, "run `taskrunner db upgrade`")
    assert not path.exists()


async def test_a_newer_schema_is_left_alone(url: str) -> None:
    """Neither the start nor the upgrade touches it."""
    async with sql_store(url):
        pass
    await run_sql(url, "UPDATE taskrunner_schema SET version_num = '9999'")
    await refused(url, "newer than this taskrunner")
    with pytest.raises(StoreUnfit, match="newer than this taskrunner"):
        await SqlStore(SqlSettings(url=url), Events()).upgrade()


async def test_an_older_schema_asks_for_the_upgrade(url: str) -> None:
    """It says which schema there is, and which command helps."""
    async with sql_store(url):
        pass
    await run_sql(url, "UPDATE taskrunner_schema SET version_num = '0000'")
    await refused(url, "older schema 0000.*taskrunner db upgrade")


async def test_a_file_that_is_no_database_stays_as_it_is(path: Path) -> None:
    """Byte for byte."""
    path.write_bytes(b"my thesis, the only copy\n" * 400)
    before = path.read_bytes()
    await refused(sqlite_url(path), "is not a database")
    with pytest.raises(StoreUnfit, match="is not a database"):
        await SqlStore(SqlSettings(url=sqlite_url(path)), Events()).upgrade()
    assert path.read_bytes() == before


async def test_another_programs_file_stays_as_it_is(path: Path) -> None:
    """A SQLite file with foreign tables gets none of ours."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    before = hashlib.sha256(path.read_bytes()).digest()
    with pytest.raises(StoreUnfit, match="belongs to another program"):
        await SqlStore(SqlSettings(url=sqlite_url(path)), Events()).upgrade()
    assert hashlib.sha256(path.read_bytes()).digest() == before


async def test_a_read_only_file_is_refused(path: Path) -> None:
    """With the advice to make it writable."""
    async with sql_store(sqlite_url(path)) as store:
        await store.accept([entry()])
    path.chmod(0o444)
    with unprivileged(path):
        await refused(sqlite_url(path), "read-only|cannot be opened|may not be accessed")


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """The upgrade does not make folders."""
    with pytest.raises(StoreUnfit, match="check that its folder exists"):
        await SqlStore(SqlSettings(url=f"sqlite:///{tmp_path}/none/x.db"), Events()).upgrade()


async def test_a_lock_of_another_process_is_one_outage(path: Path) -> None:
    """Calls fail with the reason while it lasts; one loss and one return are told."""
    log: list[Event] = []
    async with sql_store(sqlite_url(path), listening(log), timeout=3.0) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="locked by another process"):
                    await store.accept([entry()])
            assert (await store.counts())[Status.SCHEDULED] == 0
            other.execute("ROLLBACK")
        await eventually(lambda: store.status().connected)
        await store.accept([entry()])
    assert [type(event) for event in log] == [ServiceLost, ServiceRestored]


async def test_a_table_that_somebody_locks_is_an_outage(postgres_url: str) -> None:
    """Calls end at their timeout, and the store is back when the lock is gone."""
    log: list[Event] = []
    async with postgres_schema(postgres_url) as url, sql_store(url, listening(log), timeout=3.0) as store:
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute("LOCK TABLE taskrunner_tasks, taskrunner_counts")
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="did not answer"):
                    await store.accept([entry()])
        await eventually(lambda: store.status().connected)
        await store.accept([entry()])
        await other.close()
    assert [type(event) for event in log] == [ServiceLost, ServiceRestored]


async def test_a_full_disk_refuses_writes_and_heals(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted stays, what was refused is not there, and space brings the store back."""
    connect = sqlite._connect

    def limited(file: SqliteFile, mode: str, patience: float, **flags: bool) -> sqlite3.Connection:
        connection = connect(file, mode, patience, **flags)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    async with sql_store(sqlite_url(path)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] + 20
    monkeypatch.setattr(sqlite, "_connect", limited)
    log: list[Event] = []
    async with sql_store(sqlite_url(path), listening(log)) as store:
        told: list[str] = []
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await accept_all(store, told)
        accepted = len(told)
        assert (await store.counts())[Status.SCHEDULED] == accepted > 0
        pages = 100_000
        await eventually(lambda: store.status().connected)
        await store.accept(entries(20))
        assert (await store.counts())[Status.SCHEDULED] == accepted + 20
    assert [type(event) for event in log] == [ServiceLost, ServiceRestored]


async def test_a_deleted_file_is_noticed(path: Path) -> None:
    """Else all that is written would go with it."""
    async with sql_store(sqlite_url(path)) as store:
        path.unlink()
        with pytest.raises(StoreUnavailable, match="moved, deleted or replaced"):
            await store.ping()


async def test_postgres_restarts_under_load() -> None:
    """Calls fail while it is away; what was answered before and after is there."""
    async with private_postgres() as (fleet, url):
        log: list[Event] = []
        async with sql_store(url, listening(log), timeout=10.0) as store:
            told: list[str] = []
            stop = asyncio.Event()
            load = [asyncio.create_task(accept_until(store, stop, told)) for _ in range(4)]
            await eventually(lambda: len(told) >= 200)
            fleet.down("postgres", kill=True)
            await eventually(lambda: not store.status().connected)
            before = len(told)
            fleet.up("postgres")
            await eventually(lambda: len(told) >= before + 200)
            stop.set()
            await asyncio.gather(*load)
            assert (await store.counts())[Status.SCHEDULED] >= len(told)
            for task_id in told[:: len(told) // 50]:
                assert await store.get(task_id) is not None
        assert [type(event) for event in log] == [ServiceLost, ServiceRestored], log


async def test_a_server_that_is_not_there(postgres_url: str) -> None:
    """The message names host and port, and holds no password."""
    url = "postgresql://me:secret@127.0.0.1:1/tasks"
    store = SqlStore(SqlSettings(url=url, dial_timeout=1.0), Events())
    await store.start()
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/tasks") as caught:
        await store.wait_ready(5.0)
    await store.stop()
    assert "secret" not in str(caught.value)


async def test_a_database_that_is_not_there(postgres_url: str) -> None:
    """An operator must make it."""
    await refused(postgres_url.rpartition("/")[0] + "/nowhere", "createdb")


async def accept_all(store: SqlStore, told: list[str]) -> None:
    """Accept tasks until the store refuses."""
    while True:
        told += [answer.id for answer in await store.accept(entries(20))]


async def accept_until(store: SqlStore, stop: asyncio.Event, told: list[str]) -> None:
    while not stop.is_set():
        tasks = entries(10)
        try:
            told += [answer.id for answer in await store.accept(tasks)]
        except StoreUnavailable:
            await asyncio.sleep(0.05)  # as the intake would: not thousands of tries while it is away


async def refused(url: str, reason: str) -> None:
    """The start says `StoreUnfit` with this reason, at once."""
    store = SqlStore(SqlSettings(url=url), Events())
    await store.start()
    try:
        with pytest.raises(StoreUnfit, match=reason):
            await store.wait_ready(PATIENCE)
    finally:
        await store.stop()


def listening(log: list[Event]) -> Events:
    """Events that are noted; the start may tell of none."""
    events = Events()
    events.subscribe(log.append)
    return events


async def start_child(what: str, url: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        what,
        url,
        stdout=pipe,
        stderr=pipe,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


async def run_sql(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(statement)
    else:
        await execute(url, statement)


@contextmanager
def unprivileged(path: Path) -> Iterator[None]:
    """Permissions do not bind root, so as root become nobody for a while."""
    folder = path.parent
    folder.chmod(0o555)
    if os.geteuid() != 0:
        yield
        folder.chmod(0o755)
        return
    opened = [parent for parent in folder.parents if parent.stat().st_mode & 0o011 != 0o011]
    modes = {parent: parent.stat().st_mode for parent in opened}
    for parent in opened:
        parent.chmod(modes[parent] | 0o011)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        folder.chmod(0o755)
        for parent, mode in modes.items():
            parent.chmod(mode)


@asynccontextmanager
async def private_postgres() -> AsyncIterator[tuple[Fleet, str]]:
    fleet = Fleet.create()
    try:
        fleet.start(["postgres"])
        yield fleet, fleet.read()["services"]["postgres"]["url"]
    finally:
        fleet.stop()
