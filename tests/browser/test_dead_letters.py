"""The page of dead letters: groups of what failed, sent round again and watched to the end."""

import json
import re
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Route, expect

from tests.browser.console import Console
from tests.tools.waiting import wait_for

LABEL = "letters=yes"
MARKUP = "<img src=x onerror=window.hit=1>"


def fail(console: Console, count: int, label: str, status: int = 404) -> list[str]:
    """Tasks that have failed for good."""
    path = f"/bad?status={status}&probability=1"
    name, _, value = label.partition("=")
    ids = [console.server.submit(path, max_attempts=1, labels={name: value}) for _ in range(count)]
    for task_id in ids:
        console.server.ended(task_id, "failed")
    return ids


def test_a_group_is_requeued_and_watched(console: Console) -> None:
    """Counted before; it ends with what came of it, and the conditions of the group are in the address."""
    ids = fail(console, 3, LABEL)
    console.open(f"dead-letters?label={quote(LABEL)}", "Dead letters")
    groups = console.page.get_by_role("region", name="By executor, host and reason")
    row = groups.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("HTTP error")
    expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile("Most at once: [1-3], from"))
    row.get_by_role("button", name="HTTP error").click()
    console.expect_query(executor="http", reason="http_error")
    row.get_by_role("button", name="Requeue…").click()
    dialog = console.page.get_by_role("dialog")
    expect(dialog.get_by_text("3 dead letters match.")).to_be_visible()
    assert console.violations() == {}
    dialog.get_by_label("At most this many").fill("2")
    dialog.get_by_label("Stop when more than").fill("")
    dialog.get_by_role("button", name="Requeue 2").click()
    expect(dialog.get_by_text("2 done, 0 changed meanwhile, 0 refused")).to_be_visible()
    expect(dialog.locator(".badge")).to_have_text("Completed")
    dialog.get_by_role("button", name="Close").last.click()
    asked = console.server.ask
    wait_for(
        lambda: sum(len(asked("GET", f"/tasks/{each}")["attempts"]) for each in ids) == 5, "two ran again"
    )


def test_it_stops_when_too_many_fail_again(console: Console) -> None:
    """At the percentage that is given; what came of it stays to be read."""
    fail(console, 1, "letters=stop")
    counts = {"done": 12, "skipped": 1, "failed": 1, "requeued_ended": 12, "requeued_failed": 9}
    reasons = [{"id": "t-1", "reason": MARKUP}]
    stopped = {"id": "op-1", "status": "stopped", "error": None, "matched": 14, "reasons": reasons, **counts}
    drafts: list[Any] = []

    def answer(route: Route) -> None:
        drafts.append(json.loads(route.request.post_data or ""))
        dry = drafts[-1].get("dry_run")
        route.fulfill(json={**stopped, "status": "completed"} if dry else stopped)

    console.page.route("**/operations", answer)
    console.open("dead-letters?label=letters%3Dstop", "Dead letters")
    console.button("Requeue…").click()
    dialog = console.page.get_by_role("dialog")
    expect(dialog.get_by_text("14 dead letters match.")).to_be_visible()
    dialog.get_by_label("At most per second").fill("")
    dialog.get_by_role("button", name="Requeue 14").click()
    # Without a rate, all run again before the first can fail.
    assert dialog.get_by_label("At most per second").evaluate("field => field.validity.valueMissing")
    dialog.get_by_label("At most per second").fill("90/m")
    dialog.get_by_label("Stop when more than").fill("50")
    dialog.get_by_role("button", name="Requeue 14").click()
    expect(dialog.locator(".badge")).to_have_text("Stopped: too many failures")
    expect(dialog.get_by_text("9 of 12 that have ended (75%)")).to_be_visible()
    expect(dialog.get_by_text(MARKUP)).to_be_visible()
    assert console.page.evaluate("window.hit") is None
    conditions = {"label": ["letters=stop"], "executor": "http", "reason": "http_error"}
    host = console.server.target.removeprefix("http://")
    assert drafts[-1] == {
        "action": "requeue",
        "resource": "dead-letters",
        "filter": {**conditions, "host": host},
        "rate": "90/m",
        "stop_at": {"percent": 50},
    }


def test_letters_have_pages_and_what_strangers_wrote_is_text(console: Console) -> None:
    """No page has more rows than fit; the conditions of the address are shown, whatever they are."""
    fail(console, 1, f"hostile={MARKUP}")
    place = f"dead-letters?label={quote(f'hostile={MARKUP}', safe='')}&reason=http_error"
    console.open(place, "Dead letters")
    letters = console.page.get_by_role("region", name="Dead letters")
    expect(letters.locator("tbody tr")).to_have_count(1)
    expect(console.page.locator(".chip").filter(has_text=MARKUP)).to_be_visible()
    console.button("30 days").click()
    console.expect_query(bucket="1d")
    expect(console.page.get_by_role("img")).to_have_count(1)
    console.choose_theme("dark")
    assert console.violations() == {}
    assert console.page.evaluate("window.hit") is None
    expect(console.page.locator("main img")).to_have_count(0)
