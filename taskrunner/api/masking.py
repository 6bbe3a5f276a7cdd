"""Masking: what of a task's headers and URLs is never shown, since its name says that it may be secret."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

MASK = "***"
_SECRET_NAME = re.compile(
    r"authorization|cookie|token|secret|passw|api[-_]?key|credential|signature|session", re.IGNORECASE
)
# In a query string also the short names of map services, of Azure and of our own making.
_SECRET_PARAMETER = re.compile(r"(?:^|[-_.])(?:key|sig|auth|pwd|code)$", re.IGNORECASE)


class Masking:
    """The names that we know of, and those of further headers, in any case."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        self._further = frozenset(name.lower() for name in further)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """`headers` with `MASK` for every value that may be secret."""
        return {name: self.value(name, value) for name, value in headers.items()}

    def value(self, name: str, value: str) -> str:
        """The value of one header, or `MASK`."""
        is_secret = _SECRET_NAME.search(name) or name.lower() in self._further
        return MASK if is_secret else value


def masked_url(url: str) -> str:
    """`url` with `MASK` for the value of every parameter whose name suggests a secret.

    The rest stays as it was spelt. What is secret in a path cannot be told.
    """
    place, mark, query = url.partition("?")
    if not mark:
        return url
    return place + mark + "&".join(map(_masked_parameter, query.split("&")))


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    plain = unquote(name)
    secret = equals and (_SECRET_NAME.search(plain) or _SECRET_PARAMETER.search(plain))
    return f"{name}={MASK}" if secret else parameter
