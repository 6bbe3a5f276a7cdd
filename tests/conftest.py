"""The servers that tests may use, as fixtures. A missing server fails the run; it does not skip it."""

import os
import signal
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from taskrunner.runtime.garbage_collection import collect_less_often

# Somebody waits for `make check`, before each commit; `make test` and `make fuzz` ask for the others.
settings.register_profile("quick", max_examples=10, deadline=None)
settings.register_profile("deep", max_examples=50, deadline=None)
settings.register_profile("fuzz", max_examples=1000, deadline=None)
settings.load_profile("quick")

# As in our own processes: Python's default costs a quarter of the collection of tests, and a tenth of a test.
collect_less_often()

# Under `nohup` or in the background of a shell these signals are ignored, also by every program that a test
# starts: an ignored signal is inherited, one with a handler is not.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda *_: None)


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


# Under `pytest -n`, the tests of such a folder, and those of one file of real processes, run in line: they
# break or measure the same servers, or share a browser. All others have keys, files and schemas of their own.
# (xdist's own groups are lost on pytest 9.2: xdist 3.8.)
_IN_LINE = (
    "tests/browser/",
    "tests/contract/brokers/",
    "tests/contract/stores/redis/",
    "tests/system/chaos/",
    "tests/system/fetch/",
)


class _InLine(LoadScopeScheduling):  # type: ignore[misc]
    """Spreads tests, each with all its parameters, over the workers, and what runs in line as a whole.

    The largest first. A test with its parameters stays together because the scheduler looks at everything
    that it has assigned after each test.
    """

    def _split_scope(self, nodeid: str) -> str:
        group = nodeid.partition("::" if nodeid.startswith("tests/system/") else "[")[0]
        return next((folder for folder in _IN_LINE if nodeid.startswith(folder)), group)


def pytest_collection_finish() -> None:
    collect_less_often()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _InLine(config, log)
