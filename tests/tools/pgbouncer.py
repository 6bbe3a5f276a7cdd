"""A PgBouncer before the PostgreSQL of this run."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from servers.fleet import wait_until_ready
from servers.pgbouncer import PgBouncer
from servers.ports import free_ports
from servers.programs import install


@contextmanager
def pgbouncer(postgres_url: str, *, pool_size: int, clients: int = 500) -> Iterator[str]:
    """The URL of a pooler in transaction mode, with `pool_size` sessions of the server for all clients."""
    install(["pgbouncer"])
    above = Path(tempfile.mkdtemp(prefix="taskrunner-pgbouncer-"))
    # If we are root, it runs as another user.
    above.chmod(0o711)
    server = PgBouncer(above / "pgbouncer", {"main": free_ports(1)[0]})
    try:
        port = urlsplit(postgres_url).port or 5432
        server.lay_out(postgres_port=port, pool_size=pool_size, clients=clients)
        server.up()
        wait_until_ready([server])
        yield server.url
    finally:
        server.remove()
        shutil.rmtree(above)
