"""A handler that waits until the test opens its gate. Its signals are files, for any process."""

import logging
import os
import signal
from pathlib import Path

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.handlers.base import AttemptContext, Handler, HandlerFactory
from tests.tools.waiting import PATIENCE, last_look


class GateHandlerFactory(HandlerFactory):
    """`folder` gets a file per begun attempt, named after its task; the file `open` lets all attempts end.

    A URL of `big` answers with a megabyte at once, `log` logs a warning, `kill` kills the process, `short`
    meets a shortage, an attempt of `heed` ends when it is cancelled, and the error of `word` is the `word`.
    """

    def __init__(self, folder: Path, word: str = "") -> None:
        self.folder = folder
        self.word = word

    def start(self) -> None:
        """Nothing is shared."""

    def make_handler(self) -> Handler:
        return _Gate(self)

    def adopt(self, other: "GateHandlerFactory") -> None:
        self.word = other.word

    def stop(self) -> None:
        """Nothing is shared."""

    def open(self) -> None:
        (self.folder / "open").touch()

    @property
    def begun(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"open"}


class _Gate(Handler):
    def __init__(self, factory: GateHandlerFactory) -> None:
        self._factory = factory
        self._folder = factory.folder

    def run(self, context: AttemptContext) -> Outcome:
        what = (context.task.url or "").rpartition("/")[2]
        (self._folder / context.task.id).touch()
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "log":
            logging.getLogger("gate").warning("task %s began", context.task.id)
        if what == "word":
            return Outcome(kind=OutcomeKind.OK, error=self._factory.word)
        if what == "short":
            return Outcome(kind=OutcomeKind.INTERRUPTED, error="no threads", counted=False, shortage=True)
        if what == "big":
            body = context.task.id.encode().ljust(1024 * 1024, b".")
            return Outcome(kind=OutcomeKind.OK, response=Response(status=200, body=body))
        heeds, gate = what == "heed", self._folder / "open"
        last_look(lambda: gate.exists() or (heeds and context.cancelled), within=PATIENCE)
        if heeds and context.cancelled:
            return Outcome(kind=OutcomeKind.CANCELLED, error="cancelled")
        if not gate.exists():
            return Outcome(kind=OutcomeKind.TIMEOUT, error="the gate stayed closed")
        return Outcome(kind=OutcomeKind.OK)

    def close(self) -> None:
        """Nothing is kept."""
