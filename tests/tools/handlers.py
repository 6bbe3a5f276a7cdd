"""Python handlers for tests: a registry of the test's own, and a clean one afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskrunner.handlers.python.registry import REGISTRY


@contextmanager
def own_registry() -> Iterator[None]:
    """What is registered inside is forgotten at the end, and nothing else is there."""
    kept = [list(each) for each in (REGISTRY.definitions, REGISTRY.dependencies, REGISTRY.middleware)]
    _set([], [], [])
    try:
        yield
    finally:
        _set(*kept)


def _set(definitions: list, dependencies: list, middleware: list) -> None:  # type: ignore[type-arg]  # of three kinds
    REGISTRY.definitions[:] = definitions
    REGISTRY.dependencies[:] = dependencies
    REGISTRY.middleware[:] = middleware
