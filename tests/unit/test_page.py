"""The page: nothing from outside, nothing inline that the policy does not name, text only."""

import re
from pathlib import Path

import pytest

from taskrunner.api.page import HtmlPage, inline_policy, wants_page

HTML = (Path(__file__).parents[2] / "taskrunner" / "api" / "web" / "index.html").read_text()


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


def test_the_page_brings_all_that_it_needs() -> None:
    """No address of anything else, no handler or style in an attribute, and no markup from data."""
    assert not re.search(r"""(?:src|href|action)\s*=|url\(|@import""", HTML)
    assert not re.search(r"<[^>]+\s(?:on\w+|style)\s*=", HTML)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", HTML)


def test_the_policy_lets_nothing_run_but_what_the_page_has() -> None:
    """Another script or style has another hash; everything not named is refused."""
    policed = inline_policy(HTML)
    assert policed.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policed
    assert inline_policy(HTML.replace("const EVERY = 2000", "const EVERY = 2001")) != policed
    assert HtmlPage("index.html").response().headers["Content-Security-Policy"] == policed
