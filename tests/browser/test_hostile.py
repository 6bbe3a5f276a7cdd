"""Whatever comes from a task or a target is text: none of it runs, and none of it becomes an element."""

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.console import Console

MARKUP = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.hit=1"><script>parent.hit=1</script></svg>'
LABELS = {"hostile": "yes", 'a"><b onmouseover=hit=1>': MARKUP[:60]}


@pytest.fixture
def hostile(console: Console) -> str:
    """A task with markup in its URL, a header, its labels, and what came back."""
    body = f"/echo?type={quote('text/html')}&body={quote(MARKUP)}"
    task_id = console.server.submit(f"{body}&q={quote(MARKUP)}", labels=LABELS, headers={"X-Test": MARKUP})
    console.server.ended(task_id, "succeeded")
    return task_id


@pytest.mark.parametrize("tab", ["attempts", "body", "reports", "json"])
def test_nothing_of_a_task_runs(console: Console, hostile: str, tab: str) -> None:
    """On each part of its page."""
    console.open(f"tasks/{hostile}?tab={tab}", "GET")
    console.is_loaded()
    assert console.page.evaluate("window.hit") is None
    expect(console.page.locator("main img, main script, main b")).to_have_count(0)


def test_nothing_of_a_list_runs(console: Console, hostile: str) -> None:
    """Nor in its filter and its suggestions."""
    console.open(f"tasks?label=hostile%3Dyes&label_text={quote('<b>')}", "Tasks")
    console.is_loaded()
    console.open("tasks?label=hostile%3Dyes", "Tasks")
    expect(console.page.locator("tbody tr").first).to_be_visible()
    console.press("/")
    console.page.keyboard.type("label:")
    expect(console.page.locator("datalist option")).not_to_have_count(0)
    assert console.page.evaluate("window.hit") is None
    expect(console.page.locator("main img, main script, main b")).to_have_count(0)


def test_a_picture_with_a_script_is_shown_as_text(console: Console) -> None:
    """SVG may have scripts, so it is no picture here."""
    task_id = console.server.submit(f"/echo?type={quote('image/svg+xml')}&body={quote(PICTURE)}")
    console.server.ended(task_id, "succeeded")
    console.open(f"tasks/{task_id}?tab=body", "GET")
    expect(console.page.locator("pre.tall")).to_have_text(PICTURE)
    expect(console.page.get_by_role("group", name="Shown as").get_by_role("button")).to_have_text(
        ["Text", "Hex"]
    )
    assert console.page.evaluate("window.hit") is None


def test_a_script_cannot_be_added(console: Console) -> None:
    """By the policy: neither inline nor from elsewhere, and no text becomes markup."""
    console.open("", "Overview")
    refused = console.page.evaluate(
        """() => {
            const script = document.createElement("script");
            try { script.textContent = "window.hit = 1"; } catch (error) { return error.name; }
            document.body.append(script);
            return "taken";
        }"""
    )
    assert refused == "TypeError"
    assert console.page.evaluate("window.hit") is None
    # What the browser says of it is the point of this test.
    console.problems.clear()
