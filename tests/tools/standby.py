"""A PostgreSQL that copies another one, log record by log record."""

import shutil
from pathlib import Path

from servers.base import clean_environment
from servers.fleet import wait_until_ready
from servers.ports import free_ports
from servers.postgres import Postgres, unprivileged_user
from servers.process import run_quietly
from servers.programs import program

from tests.tools.stores import execute


class Standby:
    """A standby of the server at `url`, in `folder`; it is not required until `require` says so."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._server = Postgres(folder, {"main": free_ports(1)[0]})

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        """Copy the primary, and follow it."""
        folder, user = self._server.folder, unprivileged_user()
        folder.mkdir()
        self._server.log.touch()
        if user:
            shutil.chown(folder, user)
            shutil.chown(self._server.log, user)
        copy = [program("postgres", "pg_basebackup"), "-R", "-c", "fast", "-d", self._url]
        run_quietly(
            [*copy, "-D", str(folder / "data")], log=self._server.log, env=clean_environment(), user=user
        )
        self.up()

    def up(self) -> None:
        self._server.up()
        wait_until_ready([self._server])

    def down(self) -> None:
        self._server.down()

    def remove(self) -> None:
        self._server.remove()
        shutil.rmtree(self._server.folder, ignore_errors=True)


async def require_standby(url: str, names: str) -> None:
    """Set which standbys `synchronous_commit = on` waits for; other sessions of `postgres` wait for none."""
    await execute(
        url,
        "ALTER ROLE postgres SET synchronous_commit = local",
        "SET synchronous_commit = local",
        f"ALTER SYSTEM SET synchronous_standby_names = '{names}'",
        "SELECT pg_reload_conf()",
    )
