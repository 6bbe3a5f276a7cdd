"""Masking: the only module that decides which part of a secret may be shown.

The promise, for answers, command output, error messages, logs and configuration dumps:

- User information of a URL is never shown.
- The values of query parameters and headers whose names suggest a secret are never shown, nor those of the
  headers in `Fetch.mask_headers`. A secret in the path of a URL cannot be recognised, so paths are shown.
- Log lines have no query, no fragment and no header at all.
- Settings marked as secret are not shown, except the address part of a URL.
- Request bodies are never shown: no answer has a field for them.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

MASK = "***"

_SECRET_NAME = re.compile(
    r"authorization|cookie|token|secret|passw|api[-_]?key|credential|signature|session", re.IGNORECASE
)
# Query strings also use short names: map services, Azure, and many home-made APIs.
_SECRET_PARAMETER = re.compile(r"(?:^|[-_.])(?:key|sig|auth|pwd|code)$", re.IGNORECASE)
# Up to the last @, since a password that is not percent-encoded can hold any character.
_USER_INFO = re.compile(r"(?<=//).*@", re.DOTALL)
# libpq also takes the password as a parameter.
_PASSWORD_PARAMETER = re.compile(r"(?<=[?&]password=)[^&]*", re.IGNORECASE)
_URL_IN_TEXT = re.compile(r"(\w+://)(?:[^\s/'\"]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?")
# A URL can be 8 KiB long; its beginning is enough to recognise a target.
_MAX_LOGGED_CHARS = 512


class Masking:
    """Masks header values by name: built-in patterns, and `further` names in any case."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        self._further = frozenset(name.lower() for name in further)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """`headers` with `MASK` for every value that may be secret."""
        return {name: self.value(name, value) for name, value in headers.items()} if headers else {}

    def value(self, name: str, value: str) -> str:
        """The value of one header, or `MASK`."""
        return MASK if _is_secret_header(name) or name.lower() in self._further else value


def masked_url(url: str) -> str:
    """`url` with `MASK` for the value of every query parameter whose name suggests a secret.

    Everything else keeps its spelling.
    """
    place, mark, query = url.partition("?")
    if not mark:
        return url
    return f"{place}?{'&'.join([_masked_parameter(each) for each in query.split('&')])}"


def is_masked_url(url: str) -> bool:
    """Whether `url` has the value of a parameter as `masked_url` shows it."""
    return any(each.endswith(f"={MASK}") for each in url.partition("?")[2].split("&"))


def mask_user_info(text: str) -> str:
    """`text` with everything between `//` and `@` masked."""
    return _USER_INFO.sub(f"{MASK}@", text)


def masked_setting(value: Any) -> Any:
    """A secret setting, as plain JSON data: a URL without its secrets, everything else `MASK`."""
    if isinstance(value, dict):
        return {name: masked_setting(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked_setting(item) for item in value]
    if not value:
        return value
    return _PASSWORD_PARAMETER.sub(MASK, mask_user_info(value)) if "://" in value else MASK


def logged_url(url: str) -> str:
    """Host and path of a URL, shortened."""
    host, slash, path = logged_path(url).partition("://")[2].partition("/")
    return f"{host.rpartition('@')[2]}{slash}{path}"


def logged_path(path: str) -> str:
    """`path` without query and fragment, shortened."""
    return path[:_MAX_LOGGED_CHARS].partition("?")[0].partition("#")[0]


def strip_urls(text: str) -> str:
    """`text` with user information, query and fragment removed from every URL in it."""
    return _URL_IN_TEXT.sub(r"\1\2", text) if "://" in text else text


def _masked_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={MASK}" if equals and _is_secret_parameter(name) else parameter


# Each answer to a submit asks for the same few names; a look-up costs a tenth of the search.
@lru_cache(maxsize=256)
def _is_secret_header(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=256)
def _is_secret_parameter(name: str) -> bool:
    plain = unquote(name)
    return bool(_SECRET_NAME.search(plain) or _SECRET_PARAMETER.search(plain))
