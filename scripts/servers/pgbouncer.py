"""A private PgBouncer in transaction mode: each transaction may run on another session of its PostgreSQL."""

import shutil

from servers.base import Server, clean_environment
from servers.postgres import unprivileged_user
from servers.probes import postgres_is_ready
from servers.programs import program


class PgBouncer(Server):
    """It refuses root, so root runs it as the user of PostgreSQL."""

    name = "pgbouncer"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def is_ready(self) -> bool:
        return postgres_is_ready(self.port)

    def up(self) -> None:
        command = [program("pgbouncer", "pgbouncer"), str(self.folder / "pgbouncer.ini")]
        self._start("main", command, env=clean_environment(), user=unprivileged_user())

    def lay_out(self, *, postgres_port: int, pool_size: int, clients: int) -> None:
        """`pool_size` sessions of the server for up to `clients` clients."""
        self.folder.mkdir()
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={postgres_port}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {self.folder / 'users.txt'}",
            "pool_mode = transaction",
            f"default_pool_size = {pool_size}",
            f"max_client_conn = {clients}",
        ]
        (self.folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        (self.folder / "users.txt").write_text('"postgres" ""\n')
        self.log.touch()
        if user := unprivileged_user():
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, user)
