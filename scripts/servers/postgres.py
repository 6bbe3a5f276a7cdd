"""A private PostgreSQL cluster on loopback, with trust authentication and the role `postgres`."""

import os
import pwd
import shutil
import signal
from functools import cache

from servers.base import Server, clean_environment
from servers.probes import postgres_is_ready
from servers.process import run_quietly
from servers.programs import program


class Postgres(Server):
    """PostgreSQL refuses root, so root runs it as `postgres`, or as `nobody` without such a user."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": a plain SIGTERM waits for every client to leave
    # "immediate": no checkpoint, so the next start recovers as after a crash. After a SIGKILL of the first
    # process alone, its children hold the shared memory for a while, and a start at that moment fails.
    kill_signal = signal.SIGQUIT

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def is_ready(self) -> bool:
        return postgres_is_ready(self.port)

    def up(self) -> None:
        data, user, env = self.folder / "data", unprivileged_user(), clean_environment()
        if not data.exists():
            data.mkdir(mode=0o700)
            self.log.touch()
            if user:
                for path in (self.folder, data, self.log):
                    shutil.chown(path, user)
            access = ["--auth=trust", "--username=postgres"]
            command = [
                program("postgres", "initdb"),
                *access,
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ]
            run_quietly([*command, str(data)], log=self.log, env=env, user=user)
        # No Unix socket: its path is limited to about 100 bytes, and the folder may be deep.
        settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        options = [word for setting in settings for word in ("-c", setting)]
        self._start("main", [program("postgres", "postgres"), "-D", str(data), *options], env=env, user=user)


@cache
def unprivileged_user() -> str | None:
    """The user who runs PostgreSQL's programs; None for the current user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
