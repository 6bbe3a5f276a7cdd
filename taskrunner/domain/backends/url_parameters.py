"""The parameters of a server's URL: the adapter reads those that it knows; any other is refused by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from taskrunner.domain.messages import did_you_mean, shown

_TRUE = frozenset({"true", "yes", "on", "1"})


@dataclass(slots=True)
class UrlParameters:
    """Decoded as by libpq: a plus sign stays one. Every method raises `ValueError`, without secrets."""

    _left: dict[str, str] = field(repr=False)
    _unnameable: frozenset[str] = field(repr=False)
    _known: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, query: str) -> "UrlParameters":
        """The parameters of a query."""
        left: dict[str, str] = {}
        unnameable: set[str] = set()
        secret = False
        for part in query.split("&") if query else []:
            encoded, equals, value = part.partition("=")
            name = unquote(encoded)
            if not equals or not name:
                raise ValueError("has a parameter without a name or a value; percent-encode & as %26")
            if name in left:
                raise ValueError(f"has the parameter {shown(name)} twice; keep one")
            left[name] = unquote(value)
            if secret:
                # An unencoded & ends the password, and its rest looks like a name.
                unnameable.add(name)
            secret = secret or "password" in name.lower()
        return cls(left, frozenset(unnameable))

    def text(self, name: str) -> str | None:
        """A value, None without it; an empty one counts as none."""
        self._known.append(name)
        return self._left.pop(name, None) or None

    def one_of(self, name: str, choices: Mapping[str, object], why: str = "") -> str | None:
        """A value that must be one of `choices`; `why` says why others are refused."""
        value = self.text(name)
        if value is not None and value.lower() not in choices:
            wanted = " or ".join(choices)
            raise ValueError(f"has {name}={shown(value)[1:-1]}, which must be {wanted}{why and f': {why}'}")
        return None if value is None else value.lower()

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number between `low` and `high`."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.isascii() and value.isdecimal() and len(value) <= 12
        if not digits or not low <= int(value) <= high:
            raise ValueError(
                f"has {name}={shown(value)[1:-1]}, which must be a whole number from {low} to {high}"
            )
        return int(value)

    def seconds(self, name: str, highest: float) -> float | None:
        """A duration above 0, of at most `highest` seconds."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found = float(value)
        except ValueError:
            found = 0.0
        if not 0 < found <= highest:
            raise ValueError(
                f"has {name}={shown(value)[1:-1]}, which must be seconds above 0, up to {highest:g}"
            )
        return found

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self.one_of(name, dict.fromkeys(("true", "false", "yes", "no", "on", "off", "1", "0")))
        return None if value is None else value in _TRUE

    def refuse_prefix(self, prefix: str, why: str) -> None:
        """Refuse all parameters whose names begin with `prefix`, which cannot be obeyed."""
        for name in self._left:
            if name.startswith(prefix):
                raise ValueError(f"has the parameter {shown(name)}, which {why}")

    def refuse_others(self, reasons: Mapping[str, str], way_out: str = "") -> None:
        """Refuse unread parameters; `reasons` says why a documented one is not supported."""
        for name in self._left:
            if name in self._unnameable and name not in reasons:
                raise ValueError("has an unknown parameter after a password; percent-encode & as %26")
            if name in reasons:
                raise ValueError(f"has the parameter {name}, which is not supported: {reasons[name]}")
            hint = did_you_mean(name, self._known) or way_out or f", known are {', '.join(self._known)}"
            raise ValueError(f"has the unknown parameter {shown(name)}{hint}")
