"""The servers that tests may use, as fixtures. A missing server fails the run; it does not skip it."""

import os
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# Somebody waits for `make check`; `make test` asks for the other.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("deep", max_examples=200, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """The URL of a RabbitMQ that belongs to this run alone."""
    return _url("RABBITMQ")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a Redis that belongs to this run alone."""
    return _url("REDIS")


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a PostgreSQL database that belongs to this run alone."""
    return _url("POSTGRES")


def _url(service: str) -> str:
    variable = f"TASKRUNNER_TEST_{service}_URL"
    url = os.environ.get(variable)
    if not url:
        pytest.fail(
            f"{variable} is not set, and this test needs that server: run `make test`, or "
            "`python scripts/services.py run --with rabbitmq,redis,postgres -- pytest`",
            pytrace=False,
        )
    return url


# Tests of real servers share their machine with whatever else runs on it, and RabbitMQ 3.10 itself can lose
# a queue that was declared just before a kill -9 (rabbitmq/ra#443). They get a second try, which is reported.
_REAL = ("tests/system/", "tests/contract/brokers/", "tests/contract/stores/redis/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_REAL):
            item.add_marker(pytest.mark.flaky(reruns=1))


# Under `pytest -n`, what begins alike runs in line: it breaks the same servers, or measures. All other tests
# have keys, files and schemas of their own. (xdist's own groups are lost on pytest 9.2: xdist 3.8.)
_IN_LINE = (
    ("tests/system/chaos/", "chaos"),
    ("tests/system/test_faults.py", "servers of its own"),
    ("tests/system/test_outages.py", "servers of its own"),
    ("tests/system/test_sql_faults.py", "servers of its own"),
    ("tests/system/fetch/", "a target of its own"),
    ("tests/system/test_bad_files.py", "files of its own"),
    ("tests/system/test_bad_databases.py", "databases of its own"),
    ("tests/system/test_embedded.py", "files of its own"),
    ("tests/system/test_kills.py", "files and databases of its own"),
    ("tests/system/", "servers of all"),
    ("tests/contract/brokers/", "servers of all"),
    ("tests/contract/stores/redis/", "a Redis of its own"),
)


class _InLine(LoadScopeScheduling):  # type: ignore[misc]
    """Spreads single tests, and groups of tests as a whole, over the workers."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for start, group in _IN_LINE if nodeid.startswith(start)), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _InLine(config, log)
