"""The servers that tests may use, as fixtures. A missing server fails the run; it does not skip it."""

import os

import pytest


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

# They use none of the servers that all tests share, so they need not wait for those that do.
_APART = tuple(f"tests/system/test_{name}.py" for name in ("bad_files", "bad_databases", "embedded"))


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_REAL):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    """Who must not run beside whom under `pytest -n`; the rest has keys, files, schemas of its own."""
    if "own_fleet" in getattr(item, "fixturenames", ()):
        return "breaks servers of its own"
    if item.nodeid.startswith(_APART):
        return item.nodeid.partition("::")[0]
    if item.nodeid.startswith(("tests/system/", "tests/contract/brokers/")):
        return "measures or restarts the servers of all"
    if item.nodeid.startswith("tests/contract/stores/redis/"):
        return "breaks a Redis of its own"
    return None
