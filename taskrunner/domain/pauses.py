"""Pauses: what is not to start now. A scope is `all`, `lane:NAME`, `label:NAME=VALUE` or `label:NAME`."""

from collections.abc import Iterable, Mapping

from taskrunner.domain.errors import FieldError, SelectionInvalid
from taskrunner.domain.task import Lane
from taskrunner.domain.wording import shown

ALL = "all"
_LANE, _LABEL = "lane:", "label:"


def read_scopes(*, lanes: Iterable[str], labels: Iterable[str], everything: bool) -> list[str]:
    """The scopes that somebody means. Raises `SelectionInvalid`, for none too."""
    errors: list[FieldError] = []
    scopes = [ALL] if everything else []
    for lane in lanes:
        scopes.append(f"{_LANE}{lane}")
        if lane not in set(Lane):
            errors.append(
                FieldError(field="lane", message=f"must be one of {', '.join(Lane)}, got {shown(lane)}")
            )
    for label in labels:
        scopes.append(f"{_LABEL}{label}")
        if not label.partition("=")[0]:
            errors.append(
                FieldError(field="label", message=f"must be NAME=VALUE or NAME, got {shown(label)}")
            )
    if not scopes:
        errors.append(FieldError(field="all", message="give a lane, a label or all"))
    if errors:
        raise SelectionInvalid(errors)
    return scopes


class Pauses:
    """The scopes in force, ready to be asked. A scope of another version is passed over."""

    def __init__(self, scopes: Iterable[str] = ()) -> None:
        self.scopes = frozenset(scopes)
        lanes = {lane for lane in Lane if f"{_LANE}{lane}" in self.scopes}
        self.lanes = frozenset(Lane if ALL in self.scopes else lanes)
        self._labels = frozenset(
            scope.removeprefix(_LABEL) for scope in self.scopes if scope.startswith(_LABEL)
        )

    @property
    def any_label(self) -> bool:
        """Whether labels have to be looked at."""
        return bool(self._labels)

    def hold(self, labels: Mapping[str, str]) -> bool:
        """Whether a task with these labels is paused for one of them."""
        return any(
            name in self._labels or f"{name}={value}" in self._labels for name, value in labels.items()
        )
