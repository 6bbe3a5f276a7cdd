"""The pages for people: nothing from outside, nothing inline, and the same words in every language."""

import re
from pathlib import Path

import pytest

from taskrunner.api.endpoints.console import CONSOLE_POLICY
from taskrunner.api.http.page import WEB, HtmlPage, wants_page

CONSOLE = WEB / "console"
SOURCES = sorted(path for path in CONSOLE.rglob("*.js") if "vendor" not in path.parts)
KEY = re.compile(r'^  "([\w.-]+)": (.*),$', re.MULTILINE)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
    ],
)
def test_only_who_asks_for_html_gets_the_page(accept: str, expected: bool) -> None:
    """curl and our clients send */* and get JSON."""
    assert wants_page(accept) is expected


def test_the_page_has_nothing_inline() -> None:
    """No script, style or handler in it, and no address of another server."""
    html = (CONSOLE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|<[^>]+\s(?:on\w+|style)\s*=", html)
    assert all(url.startswith(("console/", "data:")) for url in re.findall(r'(?:src|href)="([^"]+)"', html))


def test_the_policy_lets_only_files_of_this_server_run() -> None:
    """And text never becomes markup."""
    assert CONSOLE_POLICY.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in CONSOLE_POLICY
    assert "require-trusted-types-for 'script'" in CONSOLE_POLICY
    page = HtmlPage("console/index.html", CONSOLE_POLICY, {"VERSION": "x"}).response()
    assert page.headers["Content-Security-Policy"] == CONSOLE_POLICY
    assert b"VERSION" not in page.body  # type: ignore[operator]  # the body is bytes


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_module_makes_markup_of_text(path: Path) -> None:
    """Whatever a target has sent stays text."""
    found = re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|srcdoc", path.read_text()
    )
    assert found is None, found


def words(language: str) -> dict[str, str]:
    return dict(KEY.findall((CONSOLE / "locales" / f"{language}.js").read_text()))


def test_every_language_has_the_same_words() -> None:
    """The same keys in the same order, and the same values in each text."""
    english, russian = words("en"), words("ru")
    assert list(english) == sorted(english)
    assert list(russian) == list(english)
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", russian[key])), key


def test_every_word_in_use_is_in_the_dictionary() -> None:
    """Of those that are named in full."""
    english = words("en")
    used = {key for path in SOURCES for key in re.findall(r'\bt\("([\w.-]+)"', path.read_text())}
    assert used <= set(english), used - set(english)
