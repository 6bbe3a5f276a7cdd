"""Free ports on loopback."""

import random
import socket

# Below 32768, where Linux begins to give out ports to outgoing connections: a server that restarts must find
# its port free, and a load test opens thousands of connections meanwhile.
_FIRST, _LAST = 15_000, 31_999


def free_ports(count: int) -> list[int]:
    """Distinct ports nobody listens on. Taken at random, so that several runs at once do not meet."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST + 1), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free ports between {_FIRST} and {_LAST}")
