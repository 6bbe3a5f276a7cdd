"""A browser and a taskrunner for the session, and a console in a context of its own for each test."""

import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from servers.programs import install

from tests.browser.browser_program import launch
from tests.browser.console import AXE, REPOSITORY, Console, Server, server_in


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright's own is never fetched."""
    install(["chromium"])
    if not AXE.exists():
        subprocess.run([REPOSITORY / "scripts" / "npm.sh"], check=True)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that everybody may use. Tests share it: each looks for what it has submitted, by a label."""
    with server_in(tmp_path_factory.mktemp("open")) as server:
        yield server


@pytest.fixture(scope="session")
def keyed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that asks for a key."""
    with server_in(tmp_path_factory.mktemp("keyed"), f"tr_{secrets.token_urlsafe(24)}") as server:
        yield server


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the browser's context: language, size, theme. Parametrize to change them."""
    return {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def context(browser: Browser, context_options: dict[str, Any]) -> Iterator[BrowserContext]:
    context = browser.new_context(**context_options)
    yield context
    context.close()


@pytest.fixture
def console(context: BrowserContext, server: Server) -> Iterator[Console]:
    """The console of the open server; whatever fails in the page fails the test."""
    console = Console(page=context.new_page(), server=server)
    yield console
    assert console.problems == []


@pytest.fixture
def keyed_console(context: BrowserContext, keyed_server: Server) -> Iterator[Console]:
    """The console of the server that asks for a key."""
    console = Console(page=context.new_page(), server=keyed_server)
    yield console
    assert console.problems == []
