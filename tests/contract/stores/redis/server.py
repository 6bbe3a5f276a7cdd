"""A Redis that a test may treat badly."""

import os
import signal
from typing import Any

from redis import Redis
from servers.fleet import Fleet


class PrivateRedis:
    """A running server and a plain client to it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.url: str = fleet.read()["services"]["redis"]["url"]
        self.address = self.url.removeprefix("redis://").removesuffix("/0")

    def command(self, *args: str | int, password: str | None = None) -> Any:
        with Redis.from_url(self.url, password=password, decode_responses=True) as client:
            return client.execute_command(*args)

    def follow(self, primary: "PrivateRedis") -> None:
        """Become a replica, at once: by itself the primary waits 5 s for more of them."""
        primary.command("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        host, _, port = primary.address.partition(":")
        self.command("REPLICAOF", host, port)

    def down(self, *, kill: bool = False) -> None:
        self._fleet.down("redis", kill=kill)

    def up(self) -> None:
        self._fleet.up("redis")

    def signal(self, number: signal.Signals) -> None:
        pid = self._fleet.server("redis").pid
        assert pid is not None
        os.kill(pid, number)
