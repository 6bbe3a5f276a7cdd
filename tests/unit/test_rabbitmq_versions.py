"""Which versions of RabbitMQ make a warning for the operator."""

import pytest

from taskrunner.brokers.rabbitmq.broker import version_warnings


@pytest.mark.parametrize("version", ["3.10.0", "3.13.7", "4.0.5", "4.2", ""])
def test_supported_versions_make_no_warning(version: str) -> None:
    assert version_warnings(version) == ()


@pytest.mark.parametrize(("version", "expected"), [("3.9.27", "at least 3.10"), ("5.0.0", "newer than any")])
def test_other_versions_make_a_warning(version: str, expected: str) -> None:
    (warning,) = version_warnings(version)
    assert expected in warning
