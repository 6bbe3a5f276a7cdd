"""What tests of the console use: a running taskrunner, and a page of a browser that shows its console."""

import json
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Locator, Page, Request, expect

from tests.tools.waiting import PATIENCE, wait_for

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
AXE = REPOSITORY / "scripts" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
# Milliseconds: nothing here takes more than a second on an idle machine.
expect.set_options(timeout=PATIENCE * 250)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A taskrunner in its own process, a `target` for its tasks, and the secret of its key, if it has one."""

    url: str
    target: str
    key: str | None = None

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the API as a script does; the answer, which has to be a success."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        answer = requests.request(method, f"{self.url}{path}", headers=headers, timeout=PATIENCE, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def submit(self, path: str = "/good", **task: Any) -> str:
        """A new task for the target; answers its id."""
        return str(self.ask("POST", "/tasks", json={"url": f"{self.target}{path}", **task})["id"])

    def ended(self, task_id: str, status: str) -> None:
        """Wait until a task has come to a status."""
        wait_for(lambda: self.ask("GET", f"/tasks/{task_id}")["status"] == status, f"{task_id} is {status}")


@contextmanager
def server_in(
    folder: Path, key: str | None = None, *, port: int = 0, settings: Mapping[str, object] | None = None
) -> Iterator[Server]:
    """It runs inside; on a free port if `port` is 0. By default on a memory broker and a SQLite file."""
    command = [
        sys.executable,
        str(HERE / "console_process.py"),
        str(folder),
        json.dumps({"Api.port": port, **(settings or {})}),
        *([key] if key else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        try:
            found = json.loads(_first_line(process))
            yield Server(url=found["url"], target=found["target"], key=key)
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        # Nothing may outlive the tests: others use its port, its queues and its tables.
        process.kill()
        raise


def _first_line(process: subprocess.Popen[str]) -> str:
    """What the server says once it is ready; a start that hangs or fails is told as what it is."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    assert line, f"no server within {PATIENCE:g} s; exit code {process.poll()}"
    return line


@dataclass(kw_only=True)
class Console:
    """A page of the browser. It fails the test that something of it failed in: see `problems`."""

    page: Page
    server: Server
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # A refusal is told there as well; the page says it in its own words.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def open(self, place: str = "", heading: str | None = None) -> None:
        """Open the console at a place such as `tasks?status=failed`, and wait for the heading of the page."""
        self.page.goto(f"{self.server.url}/#/{place}")
        self.shows(heading)

    def sign_in(self, secret: str) -> None:
        """At the page that asks for a key."""
        self.page.get_by_label("API key").fill(secret)
        self.button("Sign in").click()

    def shows(self, heading: str | None = None) -> None:
        found = self.page.get_by_role("heading", level=1)
        expect(found if heading is None else found.filter(has_text=heading)).to_be_visible()

    def is_loaded(self) -> None:
        """Wait until nothing of the page is still asked for."""
        expect(self.page.locator(".loading")).to_have_count(0)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def row(self, text: str) -> Locator:
        return self.page.locator("tbody tr").filter(has_text=text)

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests of the page to this path, in order."""
        return [
            each for each in self.requests if each.method == method and urlsplit(each.url).path == f"/{path}"
        ]

    def becomes(self, expression: str, wanted: object) -> None:
        """Wait until an expression has this value in the page; its policy refuses Playwright's own way."""
        wait_for(lambda: self.page.evaluate(expression) == wanted, f"{expression} is {wanted!r}")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def expect_query(self, **wanted: str) -> None:
        """Wait until the address has these values."""
        for name, value in wanted.items():
            expect(self.page).to_have_url(re.compile(rf"[?&]{name}={re.escape(value)}(&|$)"))

    def violations(self) -> Mapping[str, list[str]]:
        """What axe finds against WCAG 2.2 AA on the page as it is: the elements by rule."""
        if self.page.evaluate("typeof axe") == "undefined":
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = self.page.evaluate("tags => axe.run({runOnly: tags})", tags)
        return {
            rule["id"]: [f"{node['target']}: {node['failureSummary']}" for node in rule["nodes"]]
            for rule in found["violations"]
        }

    def choose_theme(self, theme: str) -> None:
        """`light` or `dark`, as an operator's system has it."""
        self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
