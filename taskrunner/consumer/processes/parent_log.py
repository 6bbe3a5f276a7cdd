"""ParentLog sends the log records of a child process to its parent, so that one process writes the log."""

import logging
from collections.abc import Callable

from taskrunner.domain.tasks.task_log import TASK_DATA
from taskrunner.handlers.python.exception_text import ExceptionText

_MAX_UNSENT = 1000


class ParentLog(logging.Handler):
    """`send` gets the name of the logger, the level and the text; `unsent` is the number of texts that wait.

    A handler may log anything, faster than anybody can write: texts are masked and cut, and dropped while too
    many wait.
    """

    def __init__(self, send: Callable[[str, int, str], None], unsent: Callable[[], int]) -> None:
        super().__init__()
        self._send = send
        self._unsent = unsent
        self._text = ExceptionText()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        if self._unsent() > _MAX_UNSENT:
            self._dropped += 1
            return
        try:
            line = self.format(record)
        except Exception as exc:  # noqa: BLE001 - a bad log call must not fail whoever made it
            place = f"{record.filename}:{record.lineno}"
            line = f"a log call in {place} cannot be formatted: {type(exc).__name__}"
        text = self._text.line(line, getattr(record, TASK_DATA, b""))
        if self._dropped:
            text, self._dropped = f"{text} ({self._dropped} lines before this one were dropped)", 0
        self._send(record.name, record.levelno, text)
