"""The show: the embedded mode in a folder of its own, some tasks, and a line on each as it ends."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from taskrunner.app.all import run_all
from taskrunner.app.embedded import ADDRESS, embedded_config
from taskrunner.demo.target import build_target
from taskrunner.domain.status import Status

Tell = Callable[[str], None]
# The slowest of the tasks takes about 3 s.
_PATIENCE = 14.0
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A task of the demo: what it shows, the target's path and query, and how it must end."""

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
    # The target is on this machine, where tasks may not go by default.
    "Fetch.allow_loopback": True,
    "Logger.level": "error",
    "Retry.max_attempts": "3",
    "Retry.base": "0.5",
    "Retry.jitter": "0",
    "Relay.poll_interval": "0.1",
}


async def demo(folder: Path, tell: Tell) -> int:
    """Run the scenes; 0 when each ended as it must."""
    runner = web.AppRunner(build_target(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, 0).start()
        config = embedded_config(folder, settings=SETTINGS, environ={})
        show = _Show(f"http://{ADDRESS}:{runner.addresses[0][1]}", tell)
        return await run_all(config, upgrade=True, monitor_page=False, when_ready=show.run)
    finally:
        await runner.cleanup()


class _Show:
    def __init__(self, target: str, tell: Tell) -> None:
        self._target = target
        self._tell = tell

    async def run(self, port: int) -> int:
        self._tell(f"{len(SCENES)} tasks for a target that misbehaves, up to 3 attempts each.")
        self._tell("What became of them, as they end:\n")
        self._tell(_line("status", "task", "attempts"))
        async with aiohttp.ClientSession(f"http://{ADDRESS}:{port}") as session:
            waiting = {await self._submit(session, scene): scene for scene in SCENES}
            wrong = await self._watch(session, waiting)
        if wrong:
            self._tell(f"\nNot as expected: {', '.join(wrong)}.")
            return 1
        self._tell(
            "\nAll as expected. Now with tasks of your own: `taskrunner dev`, or `make run` in a checkout"
        )
        return 0

    async def _watch(self, session: aiohttp.ClientSession, waiting: dict[str, Scene]) -> list[str]:
        """Tell of each task as it ends, or as it stands when patience is over; answers who ended wrong."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        wrong = []
        while waiting:
            patient = asyncio.get_running_loop().time() < deadline
            for task_id, scene in list(waiting.items()):
                record = await _record(session, task_id)
                if patient and not record["finished_at"]:
                    continue
                del waiting[task_id]
                attempts = " → ".join(
                    str(each["status_code"] or each["outcome"]) for each in record["attempts"]
                )
                self._tell(_line(record["status"], f"a target that {scene.title}", attempts))
                if record["status"] != scene.ends:
                    wrong.append(scene.title)
            await asyncio.sleep(_POLL)
        return wrong

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
