"""What a handler is called for operators."""

import pytest

from taskrunner.handlers.python.definition import Handler, HandlerDefinition
from taskrunner.handlers.python.task import Task


class Wordless(Handler[int]):
    def run(self, task: Task[int]) -> int:
        return task.data


class Described(Handler[int]):
    async def run(self, task: Task[int]) -> int:
        """
        Resizes.

        At length.
        """
        return task.data


@pytest.mark.parametrize(
    ("handler", "given", "summary"),
    [
        (Wordless(), None, None),
        (Wordless(), "Given.", "Given."),
        (Described(), None, "Resizes."),
        (Described(), "Given.", "Given."),
    ],
)
def test_a_summary_is_the_handlers_own(handler: Handler[int], given: str | None, summary: str | None) -> None:
    """A method without a docstring does not get that of the class it overrides."""
    assert HandlerDefinition(name="a", function=handler.run, description=given).summary == summary
