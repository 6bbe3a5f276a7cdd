"""Unit tests need no network: one that reaches for it fails."""

import logging
import socket
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(sock: socket.socket, address: object) -> None:
        raise AssertionError(f"a unit test reaches for the network: {address}")

    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """For tests that set the log up."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
