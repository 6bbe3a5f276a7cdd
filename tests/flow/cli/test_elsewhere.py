"""`produce --api` with the URL of a server that is not ours."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.flow.cli.harness import Cli


class Elsewhere(BaseHTTPRequestHandler):
    """A server that is not ours: it answers the same to every request."""

    answer: tuple[int, str, bytes]

    def do_POST(self) -> None:
        status, kind, body = self.answer
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 301:
            self.send_header("Location", "https://elsewhere.test/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(
    params=[
        (200, "text/html", b"<html>shop</html>"),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[]"),
        (200, "application/json", b'{"items": [1]}'),
        (200, "application/json", b'{"items": []}'),
        (200, "application/json", b'{"items": [{"status": 202}]}'),
        (200, "application/json", b'{"id": 7, "url": "x", "status": "queued"}'),
        (200, "application/json", b"\xff\xfe"),
        (200, "application/json", b'"' + b"x" * 100_000 + b'"'),
        (204, "text/plain", b""),
        (301, "text/html", b""),
        (401, "text/html", b"who are you"),
        (403, "application/json", b'{"message": "Forbidden"}'),
        (404, "text/html", b"not here"),
        (404, "application/json", b'{"code": 5, "detail": []}'),
        (405, "application/json", b'{"detail": "Method Not Allowed"}'),
        (422, "application/json", b'{"detail": [{"loc": ["body"]}]}'),
    ],
    ids=lambda param: f"{param[0]} {param[2][:30]!r}",
)
def elsewhere(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Handler", (Elsewhere,), {"answer": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))  # looks that often for the end
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("words", [["--url", "http://a.test/"], ["--file", "urls"]], ids=["url", "file"])
def test_an_answer_that_is_not_ours_is_told(cli: Cli, elsewhere: str, words: list[str]) -> None:
    """Exit 3 at once: waiting would not help."""
    (cli.folder / "urls").write_text("http://a.test/\n")
    done = cli.run("produce", "--api", elsewhere, *words)
    assert (done.exit_code, done.stdout) == (3, ""), done
    assert f"--api: {elsewhere} is not a taskrunner API: it answered " in done.stderr
