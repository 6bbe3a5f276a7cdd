"""Routes: every path of an application, once as it is and once under `/api/v1`.

Both stand in one router, not in a sub-application: aiohttp finds a plain route by one look into a
dictionary, while a sub-application costs a second search for each request.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from taskrunner.api.operations import Operation
from taskrunner.api.problems import http_problem
from taskrunner.api.responses import problem_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PREFIXES = ("", "/api/v1")


class Routes:
    """Adds handlers to an application and notes what they are in `operations`.

    `max_request_bytes` is what a request with `Expect: 100-continue` is judged by.
    """

    def __init__(self, app: web.Application, *, max_request_bytes: int) -> None:
        self._router = app.router
        self._max_request_bytes = max_request_bytes
        self.operations: dict[tuple[str, str], Operation] = {}

    @property
    def endpoints(self) -> list[str]:
        return [f"{method} {path}" for method, path in self.operations]

    def get(self, path: str, handler: Handler, operation: Operation) -> None:
        """GET and HEAD."""
        self.operations["GET", path] = operation
        for prefix in PREFIXES:
            self._router.add_get(prefix + path, handler, expect_handler=self._expect)

    def post(self, path: str, handler: Handler, operation: Operation) -> None:
        self.operations["POST", path] = operation
        for prefix in PREFIXES:
            self._router.add_post(prefix + path, handler, expect_handler=self._expect)

    def delete(self, path: str, handler: Handler, operation: Operation) -> None:
        self.operations["DELETE", path] = operation
        for prefix in PREFIXES:
            self._router.add_delete(prefix + path, handler, expect_handler=self._expect)

    async def _expect(self, request: web.Request) -> web.StreamResponse | None:
        """RFC 9110 10.1.1: refuse what is too large before it is sent, else ask for it."""
        if request.headers["Expect"].lower() != "100-continue":
            return problem_response(http_problem(417, "the only expectation we know is 100-continue"))
        length = request.content_length
        if length is not None and length > self._max_request_bytes:
            detail = f"the body is larger than {self._max_request_bytes} bytes"
            refusal = problem_response(http_problem(413, detail))
            # The client may send the body all the same; we will not read it to find the next request.
            refusal.force_close()
            return refusal
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Bytes before the response's own are no part of its size.
        request.writer.output_size = 0
        return None
