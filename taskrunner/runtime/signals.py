"""SIGTERM and SIGINT as events: the first asks for an orderly end, the second for an end at once."""

import asyncio
import signal


class Signals:
    """Listens from its making on; must be made on the event loop's thread."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._last = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._heard, number)

    @property
    def exit_code(self) -> int:
        """0 after an orderly end, 128 plus the signal's number after an abort, as shells have it."""
        return 128 + self._last if self.second.is_set() else 0

    def _heard(self, number: int) -> None:
        self._last = number
        if self.first.is_set():
            self.second.set()
        self.first.set()
