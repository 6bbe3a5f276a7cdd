"""Durations as people write them: seconds, or numbers with units, such as 30s, 10m and 1h30m."""

import re

from taskrunner.domain.messages import shown

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_PARTS = re.compile(rf"{_NUMBER}(ms|[smhdw])")
_SECONDS = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{0,9})?(?:[eE][+-]?[0-9]{1,3})?")
# Each unit once, the longest first.
_DURATION = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in ("w", "d", "h", "m", "s", "ms")))
# Both in ECMA 262, for JSON Schema; the bounds of a field hold for texts, too, which no schema can say.
DURATION_PATTERN = rf"^\s*(?:{_SECONDS.pattern}|(?=[0-9]){_DURATION.pattern})\s*$"


def has_units(text: str) -> bool:
    """Whether `text` is a duration with at least one unit."""
    return bool(text) and _DURATION.fullmatch(text) is not None


def read_duration(text: str) -> float:
    """The seconds of `10m`, `1h30m`, `1.5h` or `90`. Raises `ValueError`."""
    plain = text.strip()
    if has_units(plain):
        return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(plain))
    # `float` takes more than people mean, such as 1_0 and digits of other scripts.
    if not _SECONDS.fullmatch(plain):
        raise ValueError(f"must be seconds, or a duration such as 30s, 10m or 1h30m, got {shown(text)}")
    return float(plain)


def duration_text(seconds: float) -> str:
    """The largest unit that is full, as lists show an age: `59s`, `4m`, `3h`, `12d`."""
    for unit in ("d", "h", "m"):
        if seconds >= _UNITS[unit]:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{max(0, int(seconds))}s"
