"""The registry: the handlers, dependencies and middleware that modules have declared.

A decorator has no other place to put what it was given, so there is one registry per process. Nobody but
`taskrunner.sdk` adds to it, and its readers get it handed in.
"""

from collections.abc import Sequence

from taskrunner.handlers.python.definition import HandlerDefinition
from taskrunner.handlers.python.dependency import Dependency
from taskrunner.handlers.python.middleware import Middleware


class Registry:
    """Keeps what was declared, in order; `findings_of` checks it."""

    def __init__(self) -> None:
        self.definitions: list[HandlerDefinition] = []
        self.dependencies: list[Dependency[object]] = []
        self.middleware: list[Middleware] = []

    def by_name(self) -> dict[str, HandlerDefinition]:
        return {each.name: each for each in self.definitions}

    def middleware_of(self, definition: HandlerDefinition) -> Sequence[Middleware]:
        """That of all handlers, then its own."""
        return (*self.middleware, *definition.middleware)


REGISTRY = Registry()
