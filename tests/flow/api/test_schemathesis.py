"""schemathesis: requests from the OpenAPI document, sound and unsound, held against it, and chains of them.

A few cases for each operation here; `make fuzz` tries more. What the document cannot say is listed, each with
its reason, in `tests/tools/schemathesis_hooks.py`.
"""

import asyncio
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.http.event_stream import EventStream
from taskrunner.domain.keys.api_key import Scope, configured_key, new_secret
from taskrunner.domain.process_events import RequestFailed
from tests.flow.api.harness import Api
from tests.tools.waiting import in_time

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "tests" / "tools" / "schemathesis.toml"
FEW = 3
CASES = int(os.environ.get("FUZZ_CASES", FEW))
WITHIN = 100.0 * CASES
# As much as fits into the time of this test; everything for `make fuzz`.
SHORT = {
    False: ("--phases", "examples,fuzzing,stateful"),
    True: ("--phases", "coverage", "--mode", "positive"),
}
# Where nobody has to show a key, nothing ignores one.
OPEN = ("--exclude-checks", "ignored_auth")
# Seconds that a wait or a stream of events takes here at most.
PATIENCE = 0.02


@pytest.fixture
def access_settings(with_key: bool) -> AccessSettings:
    return AccessSettings(auth=Auth.KEYS if with_key else Auth.LOOPBACK)


@pytest.fixture
def api_options() -> dict[str, Any]:
    return {"max_wait": PATIENCE}


@pytest.fixture
def streams_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server stopped soon after each has begun: schemathesis reads an answer to its end."""
    run = EventStream.run

    async def run_for_a_while(stream: EventStream) -> web.StreamResponse:
        asyncio.get_running_loop().call_later(PATIENCE, stream.end)
        return await run(stream)

    monkeypatch.setattr(EventStream, "run", run_for_a_while)


@pytest.mark.usefixtures("streams_end")
@pytest.mark.parametrize("with_key", [False, True], ids=["open", "key"])
async def test_answers_are_as_the_document_says(api: Api, with_key: bool, tmp_path: Path) -> None:
    """All checks, in all phases, the stateful one included."""
    words = OPEN
    if with_key:
        # One of the configuration: a key of the store would revoke itself.
        api.keys.configure([configured_key("fuzz", secret := new_secret(), tuple(Scope))])
        words = ("--header", f"Authorization: Bearer {secret}")
    command = (
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(CONFIG)),
        *("run", f"http://127.0.0.1:{api.server.port}/openapi.json"),
        *(SHORT[with_key] if CASES == FEW else ()),
        *("--max-examples", str(CASES), "--generation-database", "none", "--no-color", *words),
        *shlex.split(os.environ.get("FUZZ_ARGS", "")),
    )
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.tools.schemathesis_hooks"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with in_time("schemathesis", within=WITHIN):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, output.decode(errors="replace")
    assert not [event for event in api.events if isinstance(event, RequestFailed)]
