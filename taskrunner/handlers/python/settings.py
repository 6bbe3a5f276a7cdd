"""The settings of Python handlers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSettings:
    """`modules` register handlers when they are imported; they are also looked for in `folder`.

    A result has at most `max_result_bytes`, as a stored body has.
    """

    modules: tuple[str, ...]
    folder: str
    max_result_bytes: int
