"""A private RabbitMQ node: own name, epmd, cookie, ports, data and log, and no plugins."""

import secrets
import subprocess

from servers import clock
from servers.base import Server, clean_environment
from servers.probes import amqp_is_ready
from servers.process import ServerFailed
from servers.programs import program

_CTL_WITHIN = 240.0  # an Erlang VM starts for each command


class RabbitMQ(Server):
    """`main` is the Erlang VM, so a signal to its pid reaches the node and not a wrapper script.

    Law: the wrapper in /usr/sbin is never called. As root it switches to the user `rabbitmq`, who cannot
    enter the folder.
    """

    name = "rabbitmq"
    port_names = ("main", "dist", "epmd")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def node(self) -> str:
        """The name by which other nodes know this node."""
        return f"taskrunner-{self.port}@localhost"

    def is_ready(self) -> bool:
        return amqp_is_ready(self.port)

    def up(self) -> None:
        if not (self.folder / "rabbitmq.conf").exists():
            self.lay_out(cookie=secrets.token_hex(16))
        env = clean_environment() | self.control()
        epmd = self.processes.get("epmd")
        if not (epmd and epmd.is_running):
            port = str(self.ports["epmd"])
            self._start(
                "epmd", [program("rabbitmq", "epmd"), "-port", port, "-address", "127.0.0.1"], env=env
            )
        # With ALLOW_INPUT the script becomes the Erlang VM instead of waiting for it; we add -noinput.
        self._start(
            "main",
            [program("rabbitmq", "rabbitmq-server"), "-noinput"],
            env=env | {"RABBITMQ_ALLOW_INPUT": "1"} | clock.environment(self.folder),
        )

    def save_queue_names(self) -> None:
        """Save the list of quorum queues, as the node itself does every three minutes.

        Before rabbitmq/ra#443 (2024), a kill -9 within three minutes of a queue's declaration leaves the
        queue dead for good: its messages are unreachable and publishes to it are refused. Tests of anything
        else call this between declaring their queues and killing the node.
        """
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    def ctl(self, *words: str) -> str:
        """The output of `rabbitmqctl` for this node."""
        done = subprocess.run(
            [program("rabbitmq", "rabbitmqctl"), *words],
            env=clean_environment() | self.control(),
            capture_output=True,
            text=True,
            timeout=_CTL_WITHIN,
        )
        if done.returncode:
            raise ServerFailed(f"rabbitmqctl {words[0]} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def control(self) -> dict[str, str]:
        folder = self.folder
        return {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_DIST_PORT": str(self.ports["dist"]),
            # The tools listen as well; ten ports are too few when several test runs share a machine.
            "RABBITMQ_CTL_DIST_PORT_MIN": "14000",
            "RABBITMQ_CTL_DIST_PORT_MAX": "14999",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def join(self, other: "RabbitMQ") -> None:
        """Join the cluster of a running node with the same cookie and epmd. This node must run and be empty.

        Not by peer discovery: for it, nodes of 3.10 must start in turn, and nodes of 4.x all at once.
        """
        for words in (["stop_app"], ["join_cluster", other.node], ["start_app"]):
            self.ctl(*words)

    def lay_out(self, *, cookie: str) -> None:
        """Write the files that the node starts from."""
        self.folder.mkdir(exist_ok=True)
        file = self.folder / ".erlang.cookie"
        file.write_text(cookie)
        file.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        lines = [
            f"listeners.tcp.local = 127.0.0.1:{self.port}",
            # Explicit: an image that derives it from memory would block all publishers on a small disk.
            "disk_free_limit.absolute = 50MB",
        ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
