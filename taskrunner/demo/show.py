"""Runs the demo: the embedded mode in a temporary folder, a few tasks, and a printed line as each ends."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from taskrunner.app.all import run_all
from taskrunner.app.api_servers import ApiServers
from taskrunner.app.embedded import ADDRESS, embedded_config
from taskrunner.demo.target import build_target
from taskrunner.domain.tasks.status import Status

Print = Callable[[str], None]
# The slowest task takes about 3 s.
_PATIENCE = 14.0
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A task of the demo: its title, the target's path and query, and the status it must end in."""

    title: str
    path: str
    ends: str
    timeout: float = 5.0


SCENES: Sequence[Scene] = (
    Scene(title="answers at once", path="good", ends="succeeded"),
    Scene(title="answers slowly", path="slow?delay=0.5", ends="succeeded"),
    Scene(title="sends its body in drips", path="drip?drip=0.6", ends="succeeded"),
    Scene(title="is down twice, then works", path="flaky?times=2", ends="succeeded"),
    Scene(title="is always down", path="down?probability=1", ends="failed"),
    Scene(title="is not there", path="gone?status=404&probability=1", ends="failed"),
    Scene(title="takes too long", path="hangs?delay=3", ends="failed", timeout=0.5),
)
_STATUS_WIDTH = max(len(status) for status in Status)
_TASK_WIDTH = max(len(f"a target that {scene.title}") for scene in SCENES)
SETTINGS: Mapping[str, object] = {
    "Api.port": "0",
    "Grpc.enabled": False,
    # The target is on this machine, which tasks may not reach by default.
    "Fetch.allow_loopback": True,
    "Logger.level": "error",
    "Retry.max_attempts": "3",
    "Retry.base": "0.5",
    "Retry.jitter": "0",
    "Relay.poll_interval": "0.1",
}


async def demo(folder: Path, print_line: Print) -> int:
    """Run the scenes; returns the exit code: 0 if each ends as expected."""
    runner = web.AppRunner(build_target(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        config = embedded_config(folder, settings=SETTINGS, environ={})
        show = _Show(f"http://{ADDRESS}:{runner.addresses[0][1]}", print_line)
        return await run_all(config, upgrade=True, monitor_page=False, when_ready=show.run)
    finally:
        await runner.cleanup()


class _Show:
    def __init__(self, target: str, print_line: Print) -> None:
        self._target = target
        self._print = print_line

    async def run(self, servers: ApiServers) -> int:
        self._print(f"{len(SCENES)} tasks for an unreliable target, up to 3 attempts each.")
        self._print("Each line is a task that has ended:\n")
        self._print(_line("status", "task", "attempts"))
        async with aiohttp.ClientSession(f"http://{ADDRESS}:{servers.port}") as session:
            waiting = {await self._submit(session, scene): scene for scene in SCENES}
            unexpected = await self._watch(session, waiting)
        if unexpected:
            self._print(f"\nNot as expected: {', '.join(unexpected)}.")
            return 1
        self._print(
            "\nAll as expected. Next, run your own tasks: `taskrunner dev`, or `make run` in a checkout"
        )
        return 0

    async def _watch(self, session: aiohttp.ClientSession, waiting: dict[str, Scene]) -> list[str]:
        """Print each task as it ends, or as it is at the time limit; returns unexpected titles."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        unexpected = []
        while waiting:
            in_time = asyncio.get_running_loop().time() < deadline
            for task_id, scene in list(waiting.items()):
                record = await _record(session, task_id)
                if in_time and not record["finished_at"]:
                    continue
                del waiting[task_id]
                attempts = " → ".join(
                    str(each["status_code"] or each["outcome"]) for each in record["attempts"]
                )
                self._print(_line(record["status"], f"a target that {scene.title}", attempts))
                if record["status"] != scene.ends:
                    unexpected.append(scene.title)
            await asyncio.sleep(_POLL)
        return unexpected

    async def _submit(self, session: aiohttp.ClientSession, scene: Scene) -> str:
        body = {"url": f"{self._target}/{scene.path}", "timeout": scene.timeout}
        async with session.post("/tasks", json=body) as response:
            response.raise_for_status()
            return str((await response.json())["id"])


async def _record(session: aiohttp.ClientSession, task_id: str) -> Any:
    async with session.get(f"/tasks/{task_id}") as response:
        response.raise_for_status()
        return await response.json()


def _line(status: str, task: str, attempts: str) -> str:
    return f"{status:<{_STATUS_WIDTH}}  {task:<{_TASK_WIDTH}}  {attempts}"
