"""Versions of RabbitMQ that we know, and those that an operator is told of."""

import pytest

from taskrunner.brokers.rabbitmq.versions import version_warnings


@pytest.mark.parametrize("version", ["3.10.0", "3.13.7", "4.0.5", "4.2", ""])
def test_versions_that_we_know(version: str) -> None:
    assert version_warnings(version) == ()


@pytest.mark.parametrize(("version", "told"), [("3.9.27", "at least 3.10"), ("5.0.0", "newer than any")])
def test_versions_that_we_do_not_know(version: str, told: str) -> None:
    (warning,) = version_warnings(version)
    assert told in warning
