"""The show: the embedded mode in a folder of its own, some tasks, and a table of what became of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from taskrunner.app.embedded import ADDRESS, embedded
from taskrunner.app.everything import Extras, run_everything
from taskrunner.demo.target import build_target

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
DIALS = {
    "Api.port": "0",
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
        port = runner.addresses[0][1]
        # Only here: the target is on this machine, where tasks may not go by default.
        allowed = {"Fetch.allow_private": "127.0.0.0/8", "Fetch.ports": str(port)}
        config = embedded(folder, dials={**DIALS, **allowed}, environ={})
        show = _Show(f"http://{ADDRESS}:{port}", tell)
        return await run_everything(config, Extras(upgrade=True, monitor_page=False, ready=show.run))
    finally:
        await runner.cleanup()


class _Show:
    def __init__(self, target: str, tell: Tell) -> None:
        self._target = target
        self._tell = tell

    async def run(self, port: int) -> int:
        async with aiohttp.ClientSession(f"http://{ADDRESS}:{port}") as session:
            self._tell(
                f"taskrunner on port {port}, a flaky target, {len(SCENES)} tasks: up to 3 attempts each\n"
            )
            ids = [await self._submit(session, scene) for scene in SCENES]
            records = await _finished(session, ids)
        for line in table([_cells(scene, record) for scene, record in zip(SCENES, records, strict=True)]):
            self._tell(line)
        wrong = [s.title for s, r in zip(SCENES, records, strict=True) if r["status"] != s.ends]
        self._tell(f"\nnot as expected: {', '.join(wrong)}" if wrong else "\nall as expected")
        return 1 if wrong else 0

    async def _submit(self, session: aiohttp.ClientSession, scene: Scene) -> str:
        body = {"url": f"{self._target}/{scene.path}", "timeout": scene.timeout}
        async with session.post("/tasks", json=body) as response:
            response.raise_for_status()
            return str((await response.json())["id"])


async def _finished(session: aiohttp.ClientSession, ids: Sequence[str]) -> list[Any]:
    """The tasks once all are terminal, or as they stand when patience is over."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        records = [await _record(session, task_id) for task_id in ids]
        done = all(record["finished_at"] for record in records)
        if done or asyncio.get_running_loop().time() > deadline:
            return records
        await asyncio.sleep(_POLL)


async def _record(session: aiohttp.ClientSession, task_id: str) -> Any:
    async with session.get(f"/tasks/{task_id}") as response:
        response.raise_for_status()
        return await response.json()


def _cells(scene: Scene, record: Any) -> tuple[str, str, str]:
    attempts = [str(each["status_code"] or each["outcome"]) for each in record["attempts"]]
    return f"a target that {scene.title}", " → ".join(attempts), record["status"]


def table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """The rows under a heading, in columns."""
    lines = [("task", "attempts", "status"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
