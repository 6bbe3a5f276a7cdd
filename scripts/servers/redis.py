"""A private Redis as taskrunner asks for it: append-only file, fsync every second, no eviction."""

from servers.base import Server, clean_environment
from servers.probes import redis_is_ready
from servers.programs import program


class Redis(Server):
    """Redis on loopback; its data is the append-only file alone."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        return redis_is_ready(self.port)

    def up(self) -> None:
        self._start(
            "main",
            [program("redis", "redis-server"), *self.arguments(), *self._place()],
            env=clean_environment(),
        )

    @staticmethod
    def arguments() -> list[str]:
        """What makes Redis a store instead of a cache."""
        return [
            *("--appendonly", "yes", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", "--save", ""),
        ]

    def _place(self) -> list[str]:
        return ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
