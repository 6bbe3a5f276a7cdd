"""Every page: it shows itself, is accessible in both themes and on a phone, speaks Russian, and is light."""

import gzip
import re

import pytest
from playwright.sync_api import expect

from tests.browser.console import Console, Server

# Each page with its heading in English; a page that is added is added here.
PAGES = {"overview": "Overview", "tasks": "Tasks"}
MOST_REQUESTS = 12
MOST_BYTES = 250 * 1024
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_accessible(console: Console, name: str, theme: str) -> None:
    """By WCAG 2.2 AA, as far as axe sees."""
    console.server.ended(console.server.submit(labels={"test": "axe"}), "succeeded")
    console.choose_theme(theme)
    console.open(name, PAGES[name])
    console.is_loaded()
    assert console.violations() == {}


@every_page
@pytest.mark.parametrize("context_options", [{"locale": "en-GB", "viewport": {"width": 390, "height": 844}}])
def test_a_page_fits_a_phone(console: Console, name: str) -> None:
    """Nothing is wider than the screen, and the navigation is behind a button."""
    console.open(name, PAGES[name])
    console.is_loaded()
    assert console.page.evaluate("document.documentElement.scrollWidth") <= 390
    console.button("Menu").click()
    expect(console.page.get_by_role("link", name="Tasks")).to_be_visible()
    assert console.violations() == {}


@every_page
@pytest.mark.parametrize("context_options", [{"locale": "ru-RU"}])
def test_a_page_speaks_russian(console: Console, name: str) -> None:
    """No word is left in the form of its key."""
    console.open(name)
    expect(console.page.locator("html")).to_have_attribute("lang", "ru")
    console.is_loaded()
    text = console.page.locator("#console").inner_text()
    assert not re.search(r"\b(page|nav|overview|tasks|column|problem)\.[a-z]", text), text


@pytest.mark.parametrize("name", ["tasks"])
def test_a_first_load_is_small(console: Console, name: str) -> None:
    """In requests and in bytes, all of them from this server."""
    console.open(name, PAGES[name])
    console.is_loaded()
    first = list(dict.fromkeys(request.url for request in console.requests if "data:" not in request.url))
    assert all(url.startswith(console.server.url) for url in first)
    assert len(first) <= MOST_REQUESTS, first


def test_the_whole_console_is_small(server: Server) -> None:
    """Gzipped, every file of it."""
    from taskrunner.api.page import WEB

    files = [path for path in (WEB / "console").rglob("*") if path.suffix in {".js", ".css", ".html"}]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES
