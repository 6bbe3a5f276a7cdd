"""Every page: it loads little, is accessible in both themes, fits a phone, and speaks Russian."""

import gzip
import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from taskrunner.api.http.page import WEB
from tests.browser.console import Console

# Each page with its heading in English; a page that is added is added here.
PAGES = {
    "overview": "Overview",
    "tasks": "Tasks",
    "dead-letters": "Dead letters",
    "hosts": "Hosts",
    "workers": "Workers",
    "submit": "Submit a task",
    "schedules": "Schedules",
    "executors": "Executors",
    "queues": "Queues",
    "keys": "Keys and audit",
    "settings": "Settings",
}
MOST_REQUESTS = 12
MOST_BYTES = 250 * 1024
# The key of a word, in place of the word.
KEY = re.compile(
    r"\b(?:page|nav|action|audit|column|condition|executors|hosts|keys|letters|problem|queues|schedules|sessions|settings|state|status|submit|workers)\.[a-z_]+\b"
)
every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_a_page_is_light_and_accessible(console: Console, name: str) -> None:
    """Few requests, all to this server; WCAG 2.2 AA in both themes, as far as axe sees."""
    console.server.ended(console.server.submit(labels={"test": "axe"}), "succeeded")
    console.open(name, PAGES[name])
    console.is_loaded()
    first = list(dict.fromkeys(request.url for request in console.requests if "data:" not in request.url))
    assert all(url.startswith(console.server.url) for url in first)
    # The stream of events begins when the page is there.
    first = [url for url in first if urlsplit(url).path != "/events"]
    assert len(first) <= MOST_REQUESTS, first
    for theme in ("light", "dark"):
        console.choose_theme(theme)
        assert console.violations() == {}, theme


@every_page
@pytest.mark.parametrize("context_options", [{"locale": "ru-RU", "viewport": {"width": 390, "height": 844}}])
def test_a_page_fits_a_phone_and_speaks_russian(console: Console, name: str) -> None:
    """Nothing is wider than the screen, the navigation is behind a button, and no word is missing."""
    console.open(name)
    console.is_loaded()
    expect(console.page.locator("html")).to_have_attribute("lang", "ru")
    assert console.page.evaluate("document.documentElement.scrollWidth") <= 390
    console.button("Меню").click()
    expect(console.page.get_by_role("link", name="Задачи")).to_be_visible()
    assert KEY.findall(console.page.locator("#console").inner_text()) == []
    assert console.violations() == {}


def test_the_whole_console_is_small() -> None:
    """Gzipped, every file of it."""
    files = [path for path in (WEB / "console").rglob("*") if path.suffix in {".js", ".css", ".html"}]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES
