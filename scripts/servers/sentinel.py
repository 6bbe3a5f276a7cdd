"""A private Redis Sentinel: notices within a second that a primary is down, and promotes a replica."""

from servers.base import Server, clean_environment
from servers.probes import redis_is_ready
from servers.programs import program


class Sentinel(Server):
    """Its folder holds the configuration, which it rewrites with what it learns."""

    name = "sentinel"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        return redis_is_ready(self.port)

    def up(self) -> None:
        command = [program("redis", "redis-server"), str(self.folder / "sentinel.conf"), "--sentinel"]
        self._start("main", command, env=clean_environment())

    def lay_out(self, service: str, *, primary: Server, quorum: int) -> None:
        self.folder.mkdir()
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            f"sentinel monitor {service} 127.0.0.1 {primary.port} {quorum}",
            f"sentinel down-after-milliseconds {service} 1000",
            # How long to wait before another failover, or before a returning primary becomes a replica.
            f"sentinel failover-timeout {service} 5000",
        ]
        (self.folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
