"""The shown text of an exception that a handler raised, and of its log lines: masked and bounded."""

import json
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from taskrunner.domain.codec import storable
from taskrunner.domain.masking import masked_text, suggests_secret

_MAX_ERROR_CHARS = 1000
_MAX_TRACEBACK_CHARS = 8000
_MAX_LINE_CHARS = 16 * 1024
# More than is shown, so that no secret is cut before it is recognised.
_READ_AHEAD_CHARS = 4000
# A shorter value would mask ordinary words.
_MIN_SECRET_CHARS = 4
_MAX_SECRETS = 1000
# Paths and kinds of sessions, in every login shell.
_PLAIN_VARIABLE = re.compile(r"(?:OLD)?PWD$|SSH_|XDG_|DBUS_|XAUTHORITY$|DESKTOP_SESSION$")


class ExceptionText:
    """Masks what looks like a secret, the secrets of the environment, and those of the task's data."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._secrets = frozenset(
            value
            for name, value in environ.items()
            if len(value) >= _MIN_SECRET_CHARS and suggests_secret(name) and not _PLAIN_VARIABLE.match(name)
        )

    def error(self, exc: BaseException, data: bytes) -> str:
        """Type and message, for the record."""
        kind = type(exc)
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        message = _message(exc)
        return self._masked(f"{name}: {message}" if message else name, data, _MAX_ERROR_CHARS)

    def reason(self, reason: str, data: bytes) -> str:
        """A reason that the handler gave, for the record."""
        return self._masked(reason, data, _MAX_ERROR_CHARS)

    def trace(self, exc: BaseException, data: bytes) -> str:
        """The traceback, for the log."""
        try:
            text = "".join(traceback.format_exception(type(exc), exc, _users_part(exc), limit=-30))
        except BaseException as inner:  # noqa: BLE001 - an exception may have any __str__
            text = f"{type(exc).__name__}, whose traceback cannot be shown: {type(inner).__name__}"
        return self._masked_end(text, data, _MAX_TRACEBACK_CHARS)

    def line(self, line: str, data: bytes) -> str:
        """What a handler logs itself, with the traceback."""
        return self._masked(line, data, _MAX_LINE_CHARS)

    def _masked_end(self, text: str, data: bytes, most: int) -> str:
        """The end of a traceback says what was raised, and where."""
        read = text[-(most + _READ_AHEAD_CHARS) :]
        masked = storable(masked_text(read, self._secrets | secrets_of(data)))
        if len(read) < len(text):
            # It may begin within a secret, which is then not recognised.
            masked = masked[_READ_AHEAD_CHARS:]
        return masked[-most:]

    def _masked(self, text: str, data: bytes, most: int) -> str:
        secrets = self._secrets | secrets_of(data)
        masked = storable(masked_text(text[: most + _READ_AHEAD_CHARS], secrets))
        return masked if len(masked) <= most else f"{masked[: most - 1]}…"


def secrets_of(data: bytes) -> frozenset[str]:
    """The texts in the task's data whose names suggest a secret."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return frozenset()
    return frozenset(text for text in _secret_texts(found) if len(text) >= _MIN_SECRET_CHARS)


def _secret_texts(data: Any) -> Iterator[str]:
    """Walks the data without recursion; the part below a name that suggests a secret is one as a whole."""
    parts, seen = [(data, False)], 0
    while parts and seen < _MAX_SECRETS:
        part, secret = parts.pop()
        if isinstance(part, dict):
            parts += [(value, secret or suggests_secret(name)) for name, value in part.items()]
        elif isinstance(part, list):
            parts += [(value, secret) for value in part]
        elif secret and isinstance(part, str | int) and not isinstance(part, bool):
            seen += 1
            yield str(part)


def _users_part(exc: BaseException) -> TracebackType | None:
    """The traceback without our own frames, with which it begins."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        if not trace.tb_frame.f_globals.get("__name__", "").startswith("taskrunner.handlers.python."):
            break
        trace = trace.tb_next
    return trace


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except BaseException as inner:  # noqa: BLE001 - an exception may have any __str__
        return f"its message cannot be shown ({type(inner).__name__})"
