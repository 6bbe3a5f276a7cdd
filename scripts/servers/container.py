"""The same servers as Docker containers, for machines with a Docker daemon but without the programs."""

import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from servers.base import Server
from servers.process import ServerFailed
from servers.redis import Redis


@dataclass(frozen=True, slots=True)
class Image:
    """An image, the port inside it, and the arguments of the image and of `docker run`."""

    tag: str
    inner_port: int
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


IMAGES = {
    # RabbitMQ keeps its data under the node's name, which contains the host name.
    "rabbitmq": Image("rabbitmq:4.1", 5672, options=("--hostname", "taskrunner")),
    "redis": Image("redis:8.2", 6379, command=("redis-server", *Redis.arguments())),
    "postgres": Image("postgres:17", 5432, options=("--env", "POSTGRES_HOST_AUTH_METHOD=trust")),
}


class Container(Server):
    """A server in a container. URL and readiness are those of the native server of the same name."""

    def __init__(self, native: Server) -> None:
        super().__init__(native.folder, native.ports)
        self._native = native
        self.container = f"taskrunner-test-{native.name}-{native.port}"

    @property
    def kind(self) -> str:
        return self._native.kind

    @property
    def url(self) -> str:
        return self._native.url

    @property
    def pid(self) -> int | None:
        return int(self._inspect("{{.State.Pid}}") or 0) or None

    @property
    def is_running(self) -> bool:
        running = self._inspect("{{.State.ClaimedAttempt}}") == "true"
        with self.log.open("wb") as log:
            subprocess.run(["docker", "logs", self.container], stdout=log, stderr=log)
        return running

    def is_ready(self) -> bool:
        return self._native.is_ready()

    def up(self) -> None:
        if self._inspect("{{.Id}}"):
            _docker("start", self.container)
            return
        image = IMAGES[self._native.name]
        publish = f"127.0.0.1:{self.port}:{image.inner_port}"
        options = ["--detach", "--name", self.container, "--publish", publish, *image.options]
        _docker("run", *options, image.tag, *image.command)

    def down(self, *, kill: bool = False) -> None:
        if self.is_running:
            _docker(*(["kill"] if kill else ["stop", "--time", "60"]), self.container)

    def remove(self) -> None:
        _docker("rm", "--force", "--volumes", self.container)

    def describe(self) -> dict[str, Any]:
        return {"container": self.container}

    def _inspect(self, template: str) -> str:
        asked = ["docker", "inspect", "--format", template, self.container]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()


def _docker(*arguments: str) -> None:
    docker = shutil.which("docker") or "docker"
    done = subprocess.run([docker, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ServerFailed(f"docker {arguments[0]} failed: {done.stderr.strip()}")
