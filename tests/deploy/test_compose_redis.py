"""How docker-compose.yml starts Redis: what a failover changed outlives a restart, and nothing else does."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
import yaml
from servers.ports import free_ports
from servers.process import end_with_parent
from servers.programs import install, program

from tests.deploy.programs import ROOT
from tests.tools.waiting import PATIENCE, wait_for


class Machine:
    """Starts the server of one service in a folder, as the image does in its volume."""

    def __init__(self, service: str, folder: Path) -> None:
        install(["redis"])
        command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["command"]
        self._command = [word.replace("$$", "$") for word in command]
        self._data = folder / "data"
        self._data.mkdir()
        (self.port,) = free_ports(1)
        (folder / "bin").mkdir()
        # In the container, every server has the same port.
        own = folder / "bin" / "redis-server"
        own.write_text(f'#!/bin/sh\nexec {program("redis", "redis-server")} "$@" --port {self.port}\n')
        own.chmod(0o755)
        self._path = os.pathsep.join([str(own.parent), os.environ["PATH"]])

    @contextmanager
    def running(self, password: str) -> "Iterator[redis.Redis]":
        process = subprocess.Popen(
            self._command,
            cwd=self._data,
            env={"PATH": self._path, "REDISCLI_AUTH": password},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,
        )
        try:
            with redis.Redis(port=self.port, password=password) as client:

                def answers() -> bool:
                    assert process.poll() is None
                    try:
                        return bool(client.ping())
                    except (redis.ConnectionError, redis.TimeoutError):
                        return False

                wait_for(answers, "Redis answers")
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE)


def replication(client: Any) -> tuple[str, str | None]:
    found = client.info("replication")
    return found["role"], found.get("master_host")


def test_a_promoted_replica_is_a_primary_after_a_restart(tmp_path: Path) -> None:
    """Also with a password that was changed in between: only `replicaof` is kept from before."""
    machine = Machine("redis-2", tmp_path)
    with machine.running("first") as client:
        assert replication(client) == ("slave", "redis")
        # What a Sentinel sends.
        client.replicaof("NO", "ONE")
        client.config_rewrite()
        client.set("a", "1")
    with machine.running("second") as client:
        assert replication(client) == ("master", None)
        assert client.get("a") == b"1"


def test_a_demoted_primary_is_a_replica_after_a_restart(tmp_path: Path) -> None:
    machine = Machine("redis", tmp_path)
    with machine.running("first") as client:
        assert replication(client) == ("master", None)
        client.replicaof("redis-2", "6379")
        client.config_rewrite()
    with machine.running("first") as client:
        assert replication(client) == ("slave", "redis-2")
