"""The page of schedules: runs to come and runs that were, and edits that undo no others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.console import Console


def opened(console: Console, name: str) -> Locator:
    """The dialog that edits a schedule."""
    console.open("schedules", "Schedules")
    console.row(name).get_by_role("button", name="Edit").click()
    dialog = console.page.get_by_role("dialog")
    expect(dialog.get_by_label("Cron expression")).to_be_visible()
    return dialog


def make(console: Console, name: str, **fields: Any) -> None:
    given = {"cron": "0 3 * * *", "task": {"url": f"{console.server.target}/good"}, **fields}
    console.server.ask("PUT", f"/schedules/{name}", json=given)


@pytest.mark.parametrize("context_options", [{"locale": "en-GB", "timezone_id": "Asia/Tokyo"}])
def test_a_schedule_is_created_run_and_deleted(console: Console) -> None:
    """Its next runs are shown while it is typed, on its own clocks and on the reader's."""
    console.open("schedules", "Schedules")
    console.button("Create a schedule").first.click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Name of the schedule").fill("nightly")
    dialog.get_by_label("Cron expression").fill("30 23 * * *")
    dialog.get_by_label("Time zone").fill("Etc/GMT+2")
    runs = dialog.locator(".times tbody tr")
    expect(runs).to_have_count(10)
    # 23:30 there is 01:30 UTC, which is 10:30 in Tokyo.
    expect(runs.first).to_contain_text("23:30")
    expect(runs.first).to_contain_text("10:30")
    dialog.get_by_label("Cron expression").fill("61 * * * *")
    expect(dialog.get_by_role("alert")).to_contain_text("cron")
    dialog.get_by_label("Cron expression").fill("0 3 * * *")
    expect(runs).to_have_count(10)
    assert console.violations() == {}
    dialog.get_by_label("The task as JSON").fill(json.dumps({"url": f"{console.server.target}/good"}))
    dialog.get_by_role("button", name="Save").click()
    row = console.row("nightly")
    expect(row).to_contain_text("Etc/GMT+2")
    row.get_by_text("Next runs").click()
    expect(row.locator(".times tbody tr").first).to_contain_text("14:00")
    row.get_by_role("button", name="Run now").click()
    expect(console.page.get_by_text("nightly runs now")).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_label("To go on, type").fill("nightly")
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_an_edit_sends_what_was_edited(console: Console) -> None:
    """The secret and the body, which are not shown, stay; so do numbers that no browser can hold."""
    big = 12345678901234567890
    task = {
        "url": f"{console.server.target}/good",
        "method": "POST",
        "headers": {"Authorization": "Bearer secret-1"},
        "body": {"n": 1},
        "labels": {"team": "a"},
        "max_attempts": 3,
    }
    make(console, "edited", task=task, jitter=2.5)
    dialog = opened(console, "edited")
    text = dialog.get_by_label("The task as JSON")
    shown = json.loads(text.input_value())
    assert shown["headers"] == {"Authorization": "***"}
    assert "has_body" not in shown
    text.fill(json.dumps({**shown, "labels": {"team": str(big)}}))
    dialog.get_by_label("Runs that were missed").select_option("skip")
    with console.page.expect_request(lambda request: request.method == "PATCH") as sent:
        dialog.get_by_role("button", name="Save").click()
    assert json.loads(sent.value.post_data or "") == {
        "missed": "skip",
        "task": {"labels": {"team": str(big)}},
    }
    assert sent.value.headers["if-match"]
    expect(console.page.get_by_text("The schedule edited is saved")).to_be_visible()
    saved = console.server.ask("GET", "/schedules/edited")
    assert (saved["missed"], saved["task"]["has_body"], saved["jitter"]) == ("skip", True, 2.5)
    console.server.ask("DELETE", "/schedules/edited")


def test_a_change_by_somebody_else_is_not_undone(console: Console) -> None:
    """The dialog says so, and puts the edits on top of the other's."""
    make(console, "shared")
    dialog = opened(console, "shared")
    dialog.get_by_label("Runs that were missed").select_option("all")
    dialog.get_by_label("The task as JSON").fill('{"url": "http://mine.test/"}')
    console.server.ask("PATCH", "/schedules/shared", json={"cron": "5 5 * * *", "missed": "skip"})
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody has changed this")
    dialog.get_by_role("button", name="Reload, and keep my edits").click()
    expect(dialog.get_by_label("Cron expression")).to_have_value("5 5 * * *")
    expect(dialog.get_by_label("Runs that were missed")).to_have_value("all")
    dialog.get_by_role("button", name="Save").click()
    expect(console.page.get_by_text("The schedule shared is saved")).to_be_visible()
    saved = console.server.ask("GET", "/schedules/shared")
    assert (saved["cron"], saved["missed"], saved["task"]["url"]) == ("5 5 * * *", "all", "http://mine.test/")
    console.server.ask("DELETE", "/schedules/shared")


def test_the_last_runs_lead_to_their_tasks(console: Console) -> None:
    """In the colour of their status, which is also told in words. What the task asks for is text."""
    markup = "<img/src=x/onerror=window.hit=1>"
    task = {"url": f"{console.server.target}/good?q={markup}", "labels": {"a": markup}}
    make(console, "often", cron="* * * * *", task=task)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    runs = [
        {
            "slot": (now - timedelta(minutes=minutes)).isoformat(),
            "task_id": f"often-{minutes}",
            "status": status,
            "finished_at": None,
        }
        for minutes, status in ((2, "failed"), (1, None))
    ]
    answer = {"schedules": [{"name": "often", "runs": runs}], "next_cursor": None}
    console.page.route("**/schedule-runs?**", lambda route: route.fulfill(json=answer))
    console.open("schedules", "Schedules")
    row = console.row("often")
    expect(row.get_by_role("img", name="no task")).to_be_visible()
    expect(console.page.locator("main img")).to_have_count(0)
    assert console.page.evaluate("window.hit") is None
    assert console.violations() == {}
    row.get_by_role("link", name="failed").click()
    expect(console.page).to_have_url(f"{console.server.url}/#/tasks/often-2")
    console.server.ask("DELETE", "/schedules/often")
