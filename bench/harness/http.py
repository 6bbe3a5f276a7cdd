"""One kept-alive connection for the questions that a bench asks often, such as the target's count."""

import http.client
import json
import socket
import time
from typing import Any

_TIMEOUT = 30.0


class JsonClient:
    """GET paths of one local server and decode their JSON."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)

    def get(self, path: str) -> Any:
        try:
            return self._get(path)
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()  # it had been idle for too long; the next try connects again
            return self._get(path)

    def _get(self, path: str) -> Any:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"GET {path}: {response.status} {content[:200]!r}")
        return json.loads(content)

    def wait_until_ok(self, path: str, within: float) -> None:
        """Poll until `path` answers 200. Raises `TimeoutError` after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            try:
                self.get(path)
            except (http.client.HTTPException, OSError) as exc:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path} did not answer 200 within {within:g} s: {exc}") from exc
                time.sleep(0.05)
            else:
                return


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
