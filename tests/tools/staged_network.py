"""A staged network: names have the addresses that a test gives them, and every dial is recorded and led to a
server of the test.
"""

import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pycurl

from taskrunner.domain.targets.address import Address
from taskrunner.handlers.http.network import Network

Place = tuple[str, int]
# Addresses that a name of a test may have: they pass the guard, and are never dialled in truth.
PUBLIC, OTHER, PUBLIC_6 = "93.184.216.34", "93.184.216.35", "2606:4700:4700::1111"


class StagedNetwork(Network):
    """`stages` are the loopback ports that serve a dialled port; `None` serves all others.

    Each look-up of a name takes the next of its answers, and the last for ever. `own` are the addresses of
    this machine. Look-ups wait until `is_answering` is set.
    """

    sockopt_result: int = pycurl.SOCKOPT_ALREADY_CONNECTED

    def __init__(
        self,
        names: Mapping[str, Sequence[Sequence[str]]],
        stages: Mapping[int | None, int],
        own: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.lookups: list[str] = []
        self.dials: list[Place] = []
        self.is_answering = threading.Event()
        self.is_answering.set()
        self._names = {name: list(answers) for name, answers in names.items()}
        self._stages = dict(stages)
        self._own = frozenset(own)

    def lead(self, port: int, stage: int) -> None:
        """Have another loopback port serve a dialled port from now on."""
        self._stages[port] = stage

    def resolve(self, host: str) -> list[str]:
        self.lookups.append(host)
        self.is_answering.wait(30)
        answers = self._names.get(host)
        if not answers:
            raise OSError("no such name")
        return list(answers.pop(0) if len(answers) > 1 else answers[0])

    def open_socket(self, address: Any) -> socket.socket:
        host, port = address.addr[:2]
        self.dials.append((host, port))
        return socket.create_connection(("127.0.0.1", self._stages.get(port) or self._stages[None]))

    def is_own(self, address: Address) -> bool:
        return str(address) in self._own
