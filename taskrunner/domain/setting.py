"""A setting in force: its value as it may be shown, and where the value comes from."""

from typing import Any

from taskrunner.domain.value import Value

DEFAULT = "default"


class SettingInForce(Value):
    """A setting by its name in the file: `Rabbit`, `prefetch`.

    `value` and `default` are JSON values whose secrets are masked; `is_default` compares what is behind the
    masks. `source` is `default`, the file with its line, the environment variable, or the flag.
    """

    section: str
    name: str
    value: Any
    default: Any
    is_default: bool
    source: str
    description: str
