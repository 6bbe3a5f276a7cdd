"""Deployments on clustered servers, and trials in which some of the servers die."""

from collections.abc import Iterator

import pytest
from servers.fleet import Fleet
from servers.programs import install


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The servers of one module, stopped at its end."""
    install(["rabbitmq", "redis"])
    fleet = Fleet.create(tmp_path_factory.mktemp("cluster"))
    try:
        yield fleet
    finally:
        fleet.stop()
