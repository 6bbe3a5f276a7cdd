"""Why a server cannot listen, in words."""

import errno
import os
import socket

from taskrunner.domain.backends.service_url import shown_place


def why_not_listening(exc: OSError, host: str, port: int, setting: str) -> str:
    """`setting` is the name of the port's setting."""
    where = shown_place((host, port))
    if exc.errno == errno.EADDRINUSE:
        return f"{where} is in use: stop what listens there, or set {setting} to another port"
    if exc.errno == errno.EACCES:
        return f"{where}: not allowed to listen on this port; set {setting} to one above 1023"
    if exc.errno == errno.EADDRNOTAVAIL or isinstance(exc, socket.gaierror):
        return f"{host} is not an address of this machine; 0.0.0.0 listens on all of them"
    reason = os.strerror(exc.errno) if exc.errno else str(exc)
    return f"cannot listen on {where} ({reason}); see {setting}"
