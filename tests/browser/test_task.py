"""The page of one task."""

import re

from playwright.sync_api import expect

from tests.browser.console import Console
from tests.browser.test_tasks import TOMORROW


def test_a_failed_task_shows_each_attempt_and_runs_again(console: Console) -> None:
    """With what was sent, what came back, and where the time went."""
    server = console.server
    task_id = server.submit("/broken?times=2&status=503", max_attempts=2)
    server.ended(task_id, "failed")
    console.open(f"tasks/{task_id}", "GET")
    steps = console.page.locator(".timeline li strong")
    expect(steps).to_have_text(["Submitted", "Attempt 1: HTTP error", "Attempt 2: HTTP error", "failed"])
    expect(console.page.get_by_text("First byte")).to_be_visible()
    console.button("Attempt 1").click()
    console.expect_query(attempt="1")
    expect(console.page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    assert console.violations() == {}
    console.button("Requeue").click()
    server.ended(task_id, "succeeded")
    expect(console.page.locator(".badge.succeeded")).to_be_visible()
    expect(console.button("Requeue")).to_have_attribute("title", "Only a failed task can be requeued")


def test_a_waiting_task_says_why_and_is_deleted(console: Console) -> None:
    """The reasons are those of the API."""
    task_id = console.server.submit(run_at=TOMORROW)
    console.open(f"tasks/{task_id}", "GET")
    reasons = console.page.locator(".reasons li")
    (told,) = console.server.ask("GET", f"/tasks/{task_id}/explain")["reasons"]
    assert told["code"] == "scheduled"
    expect(reasons).to_have_count(1)
    expect(reasons).to_contain_text("Scheduled for later")
    expect(reasons).to_contain_text(told["text"])
    console.button("Delete").click()
    console.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    console.shows("Tasks")
    (deletion,) = console.sent("DELETE", f"tasks/{task_id}")
    assert "if-match" in deletion.headers
    console.open(f"tasks/{task_id}", "Task")
    expect(console.page.get_by_text("There is nothing here.")).to_be_visible()
    assert console.violations() == {}


def test_a_task_runs_again_with_changes(console: Console) -> None:
    """As another task, whose fields start as those of this one."""
    task_id = console.server.submit("/first", labels={"team": "red"})
    console.server.ended(task_id, "succeeded")
    console.open(f"tasks/{task_id}", "GET")
    console.button("Run again…").click()
    fields = console.page.get_by_label("Fields of the new task")
    fields.fill(fields.input_value().replace("/first", "/second"))
    console.button("Submit").click()
    console.shows("/second")
    expect(console.page).not_to_have_url(re.compile(task_id))
    expect(console.page.get_by_text("team=red").first).to_be_visible()


def test_a_body_keeps_big_numbers(console: Console) -> None:
    """As a tree, as text, and byte by byte."""
    task_id = console.server.submit("/echo?body=%7B%22id%22%3A12345678901234567890%7D&type=application/json")
    console.server.ended(task_id, "succeeded")
    console.open(f"tasks/{task_id}?tab=body", "GET")
    expect(console.page.locator(".tree .number")).to_have_text("id: 12345678901234567890")
    console.button("Hex").click()
    expect(console.page.get_by_text("00000000  7b 22 69 64 22")).to_be_visible()
    console.button("Text").click()
    expect(console.page.locator("pre.tall")).to_have_text('{"id":12345678901234567890}')
