"""A private Redis with the settings that taskrunner needs: append-only file, no eviction."""

from pathlib import Path

from servers.base import Server, clean_environment
from servers.probes import redis_is_ready
from servers.programs import program


class Redis(Server):
    """Redis on loopback; its only data is the append-only file."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        return redis_is_ready(self.port)

    def up(self) -> None:
        own = [str(self._file)] if self._file.exists() else []
        self._start(
            "main",
            [program("redis", "redis-server"), *own, *self.arguments(), *self._place()],
            env=clean_environment(),
        )

    def lay_out(self, *, primary: "Redis | None") -> None:
        """Make it a replica of `primary`, in a file that a Sentinel can change."""
        self.folder.mkdir()
        follow = [f"replicaof 127.0.0.1 {primary.port}"] if primary else []
        # By default, a primary waits 5 s for more replicas before it sends its data.
        self._file.write_text("\n".join([*follow, "repl-diskless-sync-delay 0"]) + "\n")

    @staticmethod
    def arguments() -> list[str]:
        """The settings that make Redis a store instead of a cache."""
        return [
            *("--appendonly", "yes", "--appendfsync", "everysec"),
            *("--maxmemory-policy", "noeviction", "--save", ""),
        ]

    @property
    def _file(self) -> Path:
        return self.folder / "redis.conf"

    def _place(self) -> list[str]:
        return ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
