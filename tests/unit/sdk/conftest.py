"""Each test registers its own handlers."""

from collections.abc import Iterator

import pytest

from tests.tools.handlers import own_registry


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with own_registry():
        yield
