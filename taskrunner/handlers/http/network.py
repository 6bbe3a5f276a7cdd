"""The machine's network as a fetch uses it: name look-ups, new sockets, and the machine's own addresses.

We look a name up once, and not libcurl, so that the SSRF guard checks every address of the answer before any
is dialled, and only checked addresses are dialled. The system's resolver cannot be interrupted, so each
look-up has a thread of its own, which is abandoned when nobody waits for it any more.
"""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pycurl

from taskrunner.domain.targets.address import Address, parse_address
from taskrunner.handlers.http import shortage
from taskrunner.handlers.http.http1_hosts import Http1Hosts
from taskrunner.handlers.http.shortage import Shortage

# The resolver does not report the time to live of an answer. libcurl's own cache keeps one for 60 s.
_CACHE_SECONDS = 30.0
_CACHED_NAMES = 4096
# Threads that look names up at the same time: a name server that never answers must not use up the machine's
# threads.
_MAX_LOOKUPS = 256
# A shortage is met again and again; after this time without one, it is over.
_SHORT_SECONDS = 60.0
# How often a waiting attempt checks whether it was cancelled.
_CANCEL_POLL = 0.25

# None stands for an address that has no plain form, such as one with a zone.
LookupAnswer = tuple[Address | None, ...]


class LookupFailed(Exception):
    """The name has no address, or none was found."""


class LookupTimedOut(Exception):
    """No answer arrived in time, or the attempt was cancelled."""


class _Lookup:
    """A running look-up. `answer` is None until it ends, and empty if it found nothing or had no means."""

    __slots__ = ("answer", "shortage")

    def __init__(self) -> None:
        self.answer: LookupAnswer | None = None
        self.shortage: Shortage | None = None


class Network:
    """Shared by all workers of a process; safe to use from any thread.

    `sockopt_result` tells libcurl that it still has to connect a socket of `open_socket`.
    """

    sockopt_result: int = pycurl.SOCKOPT_OK

    def __init__(self) -> None:
        self.http1_hosts = Http1Hosts()
        self._short_until = 0.0
        self._cache: dict[str, tuple[float, LookupAnswer]] = {}
        self._running: dict[str, _Lookup] = {}
        self._changed = threading.Condition()

    def note_shortage(self) -> None:
        """An attempt met a shortage of this machine."""
        self._short_until = time.monotonic() + _SHORT_SECONDS

    @property
    def is_short(self) -> bool:
        """Whether an attempt met a shortage lately."""
        return self._short_until > 0.0 and time.monotonic() < self._short_until

    def look_up(self, host: str, timeout: float, is_cancelled: Callable[[], bool]) -> LookupAnswer:
        """Every address of `host`, in the order in which to dial them.

        A cached answer is the same object as before. Waits at most `timeout` seconds. Raises `LookupFailed`,
        `LookupTimedOut` and `Shortage`.
        """
        answer = self._cached(host)
        if answer is None:
            answer = self._wait(host, time.monotonic() + timeout, is_cancelled)
        if not answer:
            raise LookupFailed
        return answer

    def open_socket(self, address: Any) -> socket.socket:
        """A socket for what libcurl is about to dial (`family`, `socktype`, `protocol`, `addr`).

        Raises `OSError`.
        """
        return socket.socket(address.family, address.socktype, address.protocol)

    def is_own(self, address: Address) -> bool:
        """Whether `address` is one of this machine: the kernel then sends from the same address.

        Connecting a datagram socket sends nothing. Raises `Shortage`: a no would open the SSRF guard.
        """
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((str(address), 9))
                return parse_address(probe.getsockname()[0]) == address
        except OSError as exc:
            if found := shortage.of_exception(exc):
                raise found from exc
            return False  # no route to it

    def resolve(self, host: str) -> list[str]:
        """Ask the system's resolver, which may take long. Raises `OSError`."""
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    def _cached(self, host: str) -> LookupAnswer | None:
        kept = self._cache.get(host)
        return kept[1] if kept is not None and time.monotonic() < kept[0] else None

    def _wait(self, host: str, deadline: float, is_cancelled: Callable[[], bool]) -> LookupAnswer:
        lookup: _Lookup | None = None
        with self._changed:
            # Another worker's look-up may have ended since `look_up` found nothing.
            answer = self._cached(host)
            while answer is None:
                left = deadline - time.monotonic()
                if left <= 0 or is_cancelled():
                    raise LookupTimedOut
                lookup = lookup or self._join(host)
                self._changed.wait(min(left, _CANCEL_POLL))
                answer = lookup.answer if lookup is not None else None
                if lookup is not None and lookup.shortage is not None:
                    raise lookup.shortage
        return answer

    def _join(self, host: str) -> _Lookup | None:
        """The running look-up of `host`, started if need be; None while there is no room for one more."""
        running = self._running.get(host)
        if running is None and len(self._running) < _MAX_LOOKUPS:
            running = _Lookup()
            thread = threading.Thread(target=self._look_up, args=(host, running), name="look-up", daemon=True)
            try:
                thread.start()
            except RuntimeError as exc:
                raise shortage.out_of_threads() from exc
            self._running[host] = running
        return running

    def _look_up(self, host: str, lookup: _Lookup) -> None:
        answer: LookupAnswer = ()
        try:
            answer = tuple(parse_address(each) for each in dict.fromkeys(self.resolve(host)))
        except OSError as exc:
            # Without a shortage, the empty answer says it all.
            lookup.shortage = shortage.of_exception(exc) or shortage.of_descriptors()
        except MemoryError as exc:
            lookup.shortage = shortage.of_exception(exc)
        finally:
            with self._changed:
                self._end(host, lookup, answer)

    def _end(self, host: str, lookup: _Lookup, answer: LookupAnswer) -> None:
        lookup.answer = answer
        del self._running[host]
        if answer:
            if len(self._cache) >= _CACHED_NAMES:
                self._cache.clear()
            self._cache[host] = (time.monotonic() + _CACHE_SECONDS, answer)
        self._changed.notify_all()
