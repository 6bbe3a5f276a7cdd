"""A taskrunner and a browser for all tests of this folder, and a console in a context of its own for each."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.browser_program import BrowserProgram
from tests.browser.console import Console, Server, server_in

HERE = Path(__file__).parent
PROGRAM = pytest.StashKey[BrowserProgram]()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Browser:
    """The same for all tests of this folder."""
    return request.session.stash.setdefault(PROGRAM, BrowserProgram()).browser()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    try:
        yield
    finally:
        if (nextitem is None or HERE not in nextitem.path.parents) and PROGRAM in item.session.stash:
            item.session.stash[PROGRAM].close()


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
