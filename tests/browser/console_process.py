"""A whole taskrunner for a browser, and a target for its tasks, in one process, which prints their addresses.

    python tests/browser/console_process.py FOLDER SETTINGS [KEY]

SETTINGS are a JSON object, such as {"Api.port": 0}. KEY is the secret of the key `boss`, for which the
console then asks.
"""

import json
import sys
from pathlib import Path

from aiohttp import web

from taskrunner.api.auth.access_settings import Auth
from taskrunner.app.all import run_all
from taskrunner.app.api_servers import ApiServers
from taskrunner.app.embedded import ADDRESS, embedded_config
from taskrunner.app.loop import run
from taskrunner.demo.target import build_target

# Fast enough to be watched: retries and polls are the only waits.
SETTINGS = {
    "Grpc.enabled": False,
    "Fetch.allow_loopback": True,
    "Logger.level": "error",
    "Retry.base": "0.2",
    "Relay.poll_interval": "0.1",
    "Workers.min_workers": "5",
}


async def echo(request: web.Request) -> web.Response:
    """`GET /echo?body=TEXT&type=MEDIA-TYPE` answers that body."""
    headers = {"Content-Type": request.query.get("type", "text/plain")}
    return web.Response(body=request.query["body"].encode(), headers=headers)


async def serve(folder: Path, settings: dict[str, object], key: str | None) -> int:
    """Until a signal."""
    target_app = build_target()
    target_app.router.add_get("/echo", echo)
    runner = web.AppRunner(target_app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, ADDRESS, 0).start()
    keys = {"Api.keys": f"boss={key}", "Api.auth": Auth.KEYS.value} if key else {}
    config = embedded_config(folder, settings={**SETTINGS, **settings, **keys}, environ={})

    async def announce(servers: ApiServers) -> None:
        target = f"http://{ADDRESS}:{runner.addresses[0][1]}"
        print(json.dumps({"url": f"http://{ADDRESS}:{servers.port}", "target": target}), flush=True)

    try:
        return await run_all(config, upgrade=True, monitor_page=False, when_ready=announce)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(
        run(serve(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
    )
