"""Shortages of this machine: file descriptors, memory, threads, ports, the resolver, the trust store.

They say nothing about the target. The attempt ends as `interrupted`, does not count, and is repeated after a
pause; `/health` tells it.
"""

import errno
import socket

import pycurl

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.runtime.descriptors import open_and_close

# Seconds until the next attempt; `retry.decide` doubles them while the shortage lasts.
PAUSE = 5.0
_DESCRIPTORS = "has no file descriptors left (ulimit -n)"
_MEMORY = "has not enough memory"
_PORTS = "has no ports left for new connections (net.ipv4.ip_local_port_range)"
_THREADS = "cannot start another thread (ulimit -u, or the pids limit of the container)"
_TRUST = "cannot read the files of trusted certificates (Fetch.tls, or those of the system)"
_BY_ERRNO = {
    errno.EMFILE: _DESCRIPTORS,
    errno.ENFILE: "has no file descriptors left (fs.file-max)",
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
    errno.ENOSPC: "has no space left on its disk",
    errno.EDQUOT: "has no space left on its disk",
}
# connect(2) on Linux. An IPv6 address that cannot be assigned may just mean that there is no IPv6 here.
_BY_CONNECT_ERRNO = {**_BY_ERRNO, errno.EADDRNOTAVAIL: _PORTS, errno.EAGAIN: _PORTS}
# getaddrinfo(3). glibc also reports EAI_AGAIN or EAI_NONAME if it cannot open a socket or a file.
_BY_RESOLVER = {socket.EAI_MEMORY: _MEMORY, socket.EAI_SYSTEM: "cannot use its resolver"}
# https://curl.se/libcurl/c/libcurl-errors.html: each of these is about this side alone.
_BY_CURL = {
    pycurl.E_FAILED_INIT: "cannot set up a fetch",
    pycurl.E_OUT_OF_MEMORY: "has not enough memory, or no file descriptors left (ulimit -n)",
    pycurl.E_SSL_CACERT_BADFILE: _TRUST,
    pycurl.E_SSL_CERTPROBLEM: "cannot use the certificate or key of the TLS profile (Fetch.tls)",
}
# A failed exchange or look-up has closed some of its own by the time that we look.
_SPARE_DESCRIPTORS = 4


class Shortage(Exception):
    """This machine has too little of something. The message is a sentence for users."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The machine of taskrunner {what}; this attempt does not count.")


def out_of_threads() -> Shortage:
    return Shortage(_THREADS)


def of_exception(exc: BaseException) -> Shortage | None:
    """The shortage that raised `exc`, if it was one."""
    if isinstance(exc, Shortage):
        return exc
    if isinstance(exc, MemoryError):
        return Shortage(_MEMORY)
    if isinstance(exc, pycurl.error):
        return of_curl(exc.args[0])
    if isinstance(exc, socket.gaierror):
        return _found(_BY_RESOLVER.get(exc.errno or 0))
    return _found(_BY_ERRNO.get(exc.errno or 0)) if isinstance(exc, OSError) else None


def of_curl(code: int) -> Shortage | None:
    """By libcurl's error code."""
    return _found(_BY_CURL.get(code))


def of_connect(number: int, *, is_ipv6: bool) -> Shortage | None:
    """By the error number of connect(2)."""
    if is_ipv6 and number == errno.EADDRNOTAVAIL:
        return None
    return _found(_BY_CONNECT_ERRNO.get(number))


def of_descriptors() -> Shortage | None:
    """Whether descriptors have run out: libraries report that as a name or a certificate not found."""
    try:
        open_and_close(_SPARE_DESCRIPTORS)
    except OSError as exc:
        return of_exception(exc)
    return None


def outcome(shortage: Shortage) -> Outcome:
    return Outcome(
        kind=OutcomeKind.INTERRUPTED,
        error=str(shortage),
        retry_after=PAUSE,
        counted=False,
        shortage=True,
        of_host=False,
    )


def _found(what: str | None) -> Shortage | None:
    return None if what is None else Shortage(what)
