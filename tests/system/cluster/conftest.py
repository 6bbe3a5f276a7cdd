"""Deployments on servers that stand together, and trials of what happens when some of them die."""

from collections.abc import Iterator

import pytest
from servers.fleet import Fleet
from servers.programs import install


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Servers of this module's own; what it starts here is stopped with it."""
    install(["rabbitmq", "redis"])
    fleet = Fleet.create(tmp_path_factory.mktemp("cluster"))
    try:
        yield fleet
    finally:
        fleet.stop()
