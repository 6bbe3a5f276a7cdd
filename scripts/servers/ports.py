"""Free ports on loopback."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below 32768, where Linux begins to give out ports to outgoing connections: a server that restarts must find
# its port free, and a load test opens thousands of connections meanwhile.
_FIRST, _LAST = 15_000, 31_999
# One per port of this process. It stays locked until the process ends, so that nobody else is given the port
# of a server that is down for a moment, or is only about to start.
_claims: list[int] = []


def free_ports(count: int) -> list[int]:
    """Distinct ports nobody listens on, and which no other process of this user gets from here."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST + 1), 1000):
        if _is_free(port) and _claim(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _claim(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / f"taskrunner-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    claim = os.open(folder / str(port), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(claim)
        return False
    _claims.append(claim)
    return True
