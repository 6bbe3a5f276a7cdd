"""SIGTERM and SIGINT as events: the first asks for an orderly end, the second for an end at once."""

import asyncio
import os
import signal


class Signals:
    """Listens from its making on; must be made on the event loop's thread.

    After the second signal the process has `abort_within` seconds to put down what it holds. Then it is ended
    wherever it stands, as by a crash, which every command survives without loss.
    """

    def __init__(self, *, abort_within: float) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._abort_within = abort_within
        self._last = 0
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._heard, number)

    @property
    def exit_code(self) -> int:
        """0 after an orderly end, 128 plus the signal's number after an abort, as shells have it."""
        return 128 + self._last if self.second.is_set() else 0

    @property
    def name(self) -> str:
        """Of the last signal."""
        return signal.Signals(self._last).name

    def _heard(self, number: int) -> None:
        self._last = number
        if self.first.is_set() and not self.second.is_set():
            self.second.set()
            self._loop.call_later(self._abort_within, self._end)
        self.first.set()

    def _end(self) -> None:
        # Not SystemExit: that would wait for what the loop and its threads still do.
        os._exit(self.exit_code)
