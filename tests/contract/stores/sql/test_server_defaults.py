"""PostgreSQL with other defaults than usual, and behind a pooler: what we rely on is asked for."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Event, Events, ServiceLost
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from tests.contract.stores.harness import CONSUMER, DAY, NOW, entries, ref
from tests.tools.pgbouncer import pgbouncer
from tests.tools.stores import execute, sql_store
from tests.tools.waiting import PATIENCE


def beside(url: str, database: str, user: str = "postgres") -> str:
    """The URL of another database of the same server."""
    place = url.rpartition("@")[2].partition("/")[0]
    return f"postgresql://{user}@{place}/{database}"


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[str]:
    """The name of a database of its own."""
    name = f"d{secrets.token_hex(6)}"
    await execute(postgres_url, f"CREATE DATABASE {name}")
    yield name
    await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def role(postgres_url: str, database: str) -> AsyncIterator[str]:
    """A role that may make tables in that database."""
    name = f"r{secrets.token_hex(6)}"
    await execute(postgres_url, f"CREATE ROLE {name} LOGIN")
    await execute(beside(postgres_url, database), f"GRANT ALL ON SCHEMA public TO {name}")
    yield name
    await execute(beside(postgres_url, database), f"DROP OWNED BY {name}", f"DROP ROLE {name}")


async def work(store: SqlStore, batches: int = 20) -> None:
    """Submit, claim and list from many callers at once, as a busy consumer does."""
    made = [entries(5) for _ in range(batches)]
    await asyncio.gather(*(store.accept(batch) for batch in made))
    await asyncio.gather(
        *(
            store.claim([ref(new.id) for new in batch], now=NOW, lease_until=NOW + DAY, consumer=CONSUMER)
            for batch in made
        )
    )
    counts = await store.counts()
    assert counts[Status.RUNNING] == 5 * batches, counts


@pytest.mark.parametrize(
    "default",
    [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_isolation = 'repeatable read'",
        "default_transaction_deferrable = on",
        "TimeZone = 'Asia/Kathmandu'",
        "search_path = ''",
        "search_path = 'nowhere'",
        "client_encoding = 'LATIN1'",
        "DateStyle = 'German'",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        "plan_cache_mode = 'force_generic_plan'",
        "enable_seqscan = off",
    ],
)
async def test_defaults_of_a_role_do_not_count(
    postgres_url: str, database: str, role: str, default: str
) -> None:
    """Not one call fails, and no outage is told."""
    await execute(postgres_url, f"ALTER ROLE {role} SET {default}")
    log: list[Event] = []
    events = Events()
    events.subscribe(log.append)
    async with sql_store(beside(postgres_url, database, role), events, timeout=PATIENCE) as store:
        await work(store)
    assert not [event for event in log if isinstance(event, ServiceLost)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
async def test_another_encoding_is_refused(postgres_url: str, encoding: str) -> None:
    """By the upgrade and by the start, with the way out."""
    name = f"d{secrets.token_hex(6)}"
    await execute(
        postgres_url,
        f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    )
    store = SqlStore(SqlSettings(url=beside(postgres_url, name)), Events())
    try:
        with pytest.raises(StoreUnfit, match=f"encoding {encoding}, but UTF8 is needed: create a database"):
            await store.upgrade()
        await store.start()
        with pytest.raises(StoreUnfit, match=f"encoding {encoding}"):
            await store.wait_ready(30.0)
    finally:
        await store.stop()
        await execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


async def test_a_refused_permission_names_what_was_refused(
    postgres_url: str, database: str, role: str
) -> None:
    """The table or the sequence, in the server's words."""
    async with sql_store(beside(postgres_url, database)):
        pass
    store = SqlStore(SqlSettings(url=beside(postgres_url, database, role)), Events())
    await store.start()
    with pytest.raises(
        StoreUnfit, match=r"denies our user .*\(42501: permission denied for table taskrunner_"
    ):
        await store.wait_ready(30.0)
    await store.stop()


@pytest.fixture(params=[1, 2], ids=["one place", "two places"])
def crowded(request: pytest.FixtureRequest, postgres_url: str) -> Iterator[str]:
    with pgbouncer(postgres_url, pool_size=request.param) as url:
        yield url


async def test_a_pooler_with_few_sessions(crowded: str, database: str) -> None:
    """Calls wait for each other; none fails."""
    async with sql_store(beside(crowded, database), timeout=PATIENCE) as store:
        await work(store)


async def test_a_pooler_that_takes_few_clients(postgres_url: str, database: str) -> None:
    """The store lives on with the connections that it got."""
    with pgbouncer(postgres_url, pool_size=2, clients=3) as url:
        async with sql_store(beside(url, database), timeout=PATIENCE) as store:
            await work(store, batches=10)


async def test_two_stores_and_a_foreign_client_share_the_sessions_of_a_pooler(
    postgres_url: str, database: str
) -> None:
    """What the other leaves behind in a session does not count either."""
    with pgbouncer(postgres_url, pool_size=1) as url:
        place = beside(url, database)
        foreign = await asyncpg.connect(place, statement_cache_size=0)
        async with sql_store(place, timeout=PATIENCE) as one, sql_store(place, timeout=PATIENCE) as other:
            await foreign.execute("SET search_path = nowhere; SET TimeZone = 'Asia/Kathmandu'")
            await foreign.execute("SET default_transaction_isolation = 'serializable'")
            await asyncio.gather(*(one.accept(entries(3)) for _ in range(5)))
            assert (await other.counts())[Status.SCHEDULED] == 15
        await foreign.close()


async def test_a_server_without_a_place_is_told(postgres_url: str, database: str, role: str) -> None:
    """With its own words; and no call is lost in an outage that is none."""
    await execute(postgres_url, f"ALTER ROLE {role} CONNECTION LIMIT 0")
    store = SqlStore(SqlSettings(url=beside(postgres_url, database, role)), Events())
    with pytest.raises(
        StoreUnavailable, match=r"has no connection left for us.*\(53300: too many connections"
    ):
        await store.upgrade()
    await store.stop()


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ("options=-c%20statement_timeout%3D5s%20-c%20work_mem%3D8MB&application_name=mine", "mine|5s|8MB"),
        (
            "fallback_application_name=other&connect_timeout=5&keepalives_idle=60&keepalives_count=3",
            "other|0|4MB",
        ),
        ("channel_binding=prefer&gssencmode=prefer&sslmode=prefer&tcp_user_timeout=5000", "taskrunner|0|4MB"),
    ],
)
async def test_parameters_of_a_url_reach_the_server(
    postgres_url: str, database: str, parameters: str, shown: str
) -> None:
    async with sql_store(f"{beside(postgres_url, database)}?{parameters}", timeout=PATIENCE) as store:
        await work(store, batches=2)
        connection = await store._connection._dialer.dial()  # type: ignore[attr-defined]  # of PostgreSQL
        row = await connection.fetchrow(
            "SELECT current_setting('application_name') || '|' || current_setting('statement_timeout') "
            "|| '|' || current_setting('work_mem')"
        )
        await connection.close()
    assert row[0] == shown
