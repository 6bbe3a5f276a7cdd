"""Run the API and a consumer in the foreground, on the servers of `scripts/services.py run`.

When one of them ends, or a signal arrives, both are stopped.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

ENDS_WITHIN = 40.0  # more than the consumer's shutdown_grace


def main() -> int:
    servers = {
        "RABBITMQ_URL": os.environ["TASKRUNNER_TEST_RABBITMQ_URL"],
        "REDIS_URL": os.environ["TASKRUNNER_TEST_REDIS_URL"],
    }
    environment = os.environ | servers
    api = f"http://127.0.0.1:{os.environ.get('TASKRUNNER_API__PORT', '8000')}"
    health = f"http://127.0.0.1:{os.environ.get('TASKRUNNER_SERVER__PORT', '8080')}"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    print(f"API {api}   consumer {health}/health   stop both with Ctrl-C", flush=True)
    body = '{"url": "https://example.com/"}'
    print(f"  curl -X POST {api}/tasks -H 'Content-Type: application/json' -d '{body}'", flush=True)
    print("  to run commands on the same servers, in another shell:", flush=True)
    exports = " ".join(f"{name}={shlex.quote(url)}" for name, url in servers.items())
    taskrunner = Path(sys.executable).with_name("taskrunner")
    print(f"  export {exports}", flush=True)
    print(f"  {shlex.quote(str(taskrunner))} produce --url https://example.com/ --wait", flush=True)
    command = [sys.executable, "-m", "taskrunner"]
    children = [subprocess.Popen([*command, verb], env=environment) for verb in ("serve", "consume")]
    try:
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return _end(children)


def _end(children: list[subprocess.Popen[bytes]]) -> int:
    """Stop all, killing those that do not end in time; returns the first exit code that is not 0."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + ENDS_WITHIN
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return next((abs(child.returncode) for child in children if child.returncode), 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
