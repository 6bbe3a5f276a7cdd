"""SIGTERM and SIGINT as events: the first asks for an orderly shutdown, the second for an immediate one.

SIGHUP asks for a reload or, when it comes because the terminal was closed, for a shutdown.
"""

import asyncio
import os
import signal
from collections.abc import Callable


class Signals:
    """Handles the signals from its creation on. Create it on the thread of the event loop.

    After the second signal the process has `abort_within` seconds to give back what it holds. Then it exits
    wherever it is, as in a crash, which every command survives without loss.

    A terminal that closes sends SIGHUP, often twice, which counts once. Under `nohup` SIGHUP stays ignored.
    In a process that `reloads`, one that comes during the start is remembered until `reload_with`. In others,
    it asks for a shutdown.
    """

    def __init__(self, *, abort_within: float, reloads: bool = False) -> None:
        self._reloads = reloads
        self._reload: Callable[[], None] | None = None
        self._reload_asked = False
        self._had_terminal = _has_terminal()
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self._abort_within = abort_within
        self._last = 0
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._loop.add_signal_handler(number, self._on_signal, number)

    def reload_with(self, reload: Callable[[], None]) -> None:
        """Call `reload` at each SIGHUP from now on, and at once if there was one."""
        self._reload = reload
        if self._reload_asked:
            reload()

    @property
    def exit_code(self) -> int:
        """0 after an orderly shutdown; 128 plus the signal's number after an abort, as in shells."""
        return 128 + self._last if self.second.is_set() else 0

    @property
    def name(self) -> str:
        """The name of the last signal."""
        return signal.Signals(self._last).name

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            if self._reloads and _has_terminal() == self._had_terminal:
                self._reload_asked = True
                if self._reload is not None:
                    self._reload()
                return
            if self._last == signal.SIGHUP:
                return
        self._last = number
        if self.first.is_set() and not self.second.is_set():
            self.second.set()
            self._loop.call_later(self._abort_within, self._exit)
        self.first.set()

    def _exit(self) -> None:
        # Not SystemExit, which would wait for the loop and its threads.
        os._exit(self.exit_code)


def _has_terminal() -> bool:
    """Whether the process has a controlling terminal; /dev/tty is that one (tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
