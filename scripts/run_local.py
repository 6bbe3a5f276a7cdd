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

from taskrunner.domain.keys.api_key import new_secret

ENDS_WITHIN = 40.0  # more than the consumer's shutdown_grace


def main() -> int:
    servers = {
        "RABBITMQ_URL": os.environ["TASKRUNNER_TEST_RABBITMQ_URL"],
        "REDIS_URL": os.environ["TASKRUNNER_TEST_REDIS_URL"],
    }
    key = new_secret()
    # The variable with a file would set the same.
    environment = (
        os.environ | servers | {"TASKRUNNER_API__KEYS": f"local={key}", "TASKRUNNER_API__KEYS_FILE": ""}
    )
    api = f"http://127.0.0.1:{os.environ.get('TASKRUNNER_API__PORT', '8000')}"
    health = f"http://127.0.0.1:{os.environ.get('TASKRUNNER_SERVER__PORT', '8080')}/health"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    print(f"API {api}   consumer {health}   stop both with Ctrl-C", flush=True)
    body = '{"url": "https://example.com/"}'
    login = f"-H 'Authorization: Bearer {key}'"
    print(f"  curl -X POST {api}/tasks {login} -H 'Content-Type: application/json' -d '{body}'", flush=True)
    print(f"  curl {login} {health}", flush=True)
    print(f"  in a browser, open {api}/ and give the key {key}", flush=True)
    print("  to run commands on the same servers, in another shell:", flush=True)
    told = servers | {"TASKRUNNER_API_URL": api, "TASKRUNNER_API_KEY": key}
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in told.items())
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
