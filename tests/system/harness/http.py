"""One kept-alive connection to an HTTP server, and what it answered."""

import http.client
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.tools.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Not thread-safe. Raises `OSError` or `http.client.HTTPException` when there is no answer."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", timeout: float = PATIENCE) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, content: Any, **headers: str) -> Answer:
        """POST a JSON value, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request("POST", path, body, {"Content-Type": "application/json", **named})

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            content = response.read()
        except BaseException:
            self._connection.close()  # the next request opens it again
            raise
        lines = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lines, content)
