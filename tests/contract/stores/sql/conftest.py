"""A PostgreSQL with a standby, for tests that may take it away."""

from collections.abc import Iterator

import pytest
from servers.fleet import Fleet

from tests.tools.standby import Standby


@pytest.fixture
def primary() -> Iterator[Fleet]:
    fleet = Fleet.create()
    try:
        fleet.start(["postgres"])
        yield fleet
    finally:
        fleet.stop()


@pytest.fixture
def primary_url(primary: Fleet) -> str:
    url: str = primary.read()["services"]["postgres"]["url"]
    return url


@pytest.fixture
def standby(primary: Fleet, primary_url: str) -> Iterator[Standby]:
    standby = Standby(primary_url, primary.directory / "standby")
    try:
        standby.start()
        yield standby
    finally:
        standby.remove()
