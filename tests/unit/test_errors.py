"""The tree of errors: whose fault each one is, and what it tells."""

import inspect

import pytest

from taskrunner.domain import errors
from taskrunner.domain.errors import (
    CallerError,
    ConfigInvalid,
    FieldError,
    FieldsInvalid,
    OutsideError,
    ScheduleInvalid,
    SetupError,
    TaskInvalid,
    TaskrunnerError,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


def test_every_error_is_somebodys_fault() -> None:
    """Each is below exactly one of the three branches."""
    branches = (CallerError, OutsideError, SetupError)
    for kind in ALL:
        if kind is not TaskrunnerError:
            assert sum(issubclass(kind, branch) for branch in branches) == 1, kind


def test_the_tree_in_the_docstring_is_complete() -> None:
    """The drawing names every public error."""
    for kind in ALL:
        if not kind.__name__.startswith("_"):
            assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", [ConfigInvalid, TaskInvalid, ScheduleInvalid])
def test_all_fields_are_told(kind: type[FieldsInvalid]) -> None:
    """One text for people, and the parts for faces that list them."""
    error = kind(
        [FieldError(field="retry.base", message="is negative"), FieldError(field="", message="is odd")]
    )
    assert str(error) == "retry.base: is negative; is odd"
    assert [each.field for each in error.errors] == ["retry.base", ""]
