"""The machine's network as a fetch uses it: names looked up, sockets made, which addresses are its own.

A name is looked up once and by us, not by libcurl, so that every address of the answer is judged before any
is dialled, and what is dialled is what was judged. The system's resolver cannot be interrupted: each look-up
has a thread of its own, which is left behind when nobody waits for it any longer.
"""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pycurl

from taskrunner.domain.address import Address, parse_address

# Nobody tells us the time to live of an answer; libcurl's own cache keeps one for 60 s.
_KEPT_SECONDS = 30.0
_KEPT_NAMES = 4096
# WorkerThreads that look up at once; names of a server that never answers must not use up all of the
# machine's.
_MAX_LOOKUPS = 256
# How often a wait looks whether its attempt was cancelled.
_POLL = 0.25

# None stands for an address that has no plain form, such as one with a zone.
Answer = tuple[Address | None, ...]


class LookupFailed(Exception):
    """The name has no address, or none was found."""


class LookupTimedOut(Exception):
    """There was no answer in time, or nobody wants it any longer."""


class _Lookup:
    """One that runs; `answer` is None until it has ended, and empty when nothing was found."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: Answer | None = None


class Network:
    """One for all workers of a process; safe to use from any thread.

    `next_step` is what libcurl is told of a socket that was made: that it still has to connect it.
    """

    next_step: int = pycurl.SOCKOPT_OK

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Answer]] = {}
        self._running: dict[str, _Lookup] = {}
        self._changed = threading.Condition()

    def look_up(self, host: str, patience: float, is_cancelled: Callable[[], bool]) -> Answer:
        """Every address of `host`, in the order in which they are to be tried.

        Until it is looked up again the answer is the same object. Waits at most `patience` seconds. Raises
        `LookupFailed` and `LookupTimedOut`.
        """
        answer = self._known(host)
        if answer is None:
            answer = self._wait(host, time.monotonic() + patience, is_cancelled)
        if not answer:
            raise LookupFailed
        return answer

    def open_socket(self, address: Any) -> socket.socket:
        """A socket for what libcurl is about to dial (`family`, `socktype`, `protocol`, `addr`)."""
        return socket.socket(address.family, address.socktype, address.protocol)

    def is_own(self, address: Address) -> bool:
        """Whether it is one of this machine: the kernel would then send from the very same address.

        Connecting a datagram socket sends nothing.
        """
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((str(address), 9))
                return parse_address(probe.getsockname()[0]) == address
        except OSError:
            return False  # no route to it

    def resolve(self, host: str) -> list[str]:
        """The system's answer, which may take long. Raises `OSError`."""
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def _known(self, host: str) -> Answer | None:
        kept = self._kept.get(host)
        return kept[1] if kept is not None and time.monotonic() < kept[0] else None

    def _wait(self, host: str, deadline: float, is_cancelled: Callable[[], bool]) -> Answer:
        lookup: _Lookup | None = None
        with self._changed:
            # Somebody else's look-up may have ended since we found nothing.
            answer = self._known(host)
            while answer is None:
                left = deadline - time.monotonic()
                if left <= 0 or is_cancelled():
                    raise LookupTimedOut
                lookup = lookup or self._join(host)
                self._changed.wait(min(left, _POLL))
                answer = lookup.answer if lookup is not None else None
        return answer

    def _join(self, host: str) -> _Lookup | None:
        """The look-up of `host` that runs or was just started; None while there is no room for one more."""
        running = self._running.get(host)
        if running is None and len(self._running) < _MAX_LOOKUPS:
            running = self._running[host] = _Lookup()
            threading.Thread(target=self._look_up, args=(host, running), name="look-up", daemon=True).start()
        return running

    def _look_up(self, host: str, lookup: _Lookup) -> None:
        answer: Answer = ()
        try:
            answer = tuple(parse_address(each) for each in dict.fromkeys(self.resolve(host)))
        except OSError:
            pass  # an empty answer says it
        finally:
            with self._changed:
                self._end(host, lookup, answer)

    def _end(self, host: str, lookup: _Lookup, answer: Answer) -> None:
        lookup.answer = answer
        del self._running[host]
        if answer:
            if len(self._kept) >= _KEPT_NAMES:
                self._kept.clear()
            self._kept[host] = (time.monotonic() + _KEPT_SECONDS, answer)
        self._changed.notify_all()
