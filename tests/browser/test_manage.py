"""The pages of queues, keys and the audit: what operators change there is in force."""

import json

import pytest
from playwright.sync_api import Route, expect

from tests.browser.console import Console
from tests.tools.waiting import wait_for


def test_a_queue_is_paused_and_goes_on(console: Console) -> None:
    """With one click each, and the state is seen."""
    server = console.server
    console.open("queues", "Queues")
    row = console.row("low")
    held: list[Route] = []
    console.page.route(lambda url: "/pause?" in url, lambda route: held.append(route))
    # The second press of a hasty hand, before the answer to the first, does nothing.
    row.get_by_role("button", name="Pause", exact=True).dblclick()
    # Playwright hands over what it has heard during a call only.
    wait_for(lambda: console.page.evaluate("true") and held, "the page asks for a pause")
    held[0].continue_()
    expect(row).to_contain_text("paused")
    assert len(console.sent("POST", "pause")) == 1
    assert [each["scope"] for each in server.ask("GET", "/pauses")["pauses"]] == ["queue:low"]
    row.get_by_role("button", name="Resume", exact=True).click()
    expect(row).to_contain_text("active")
    assert server.ask("GET", "/pauses")["pauses"] == []


def test_a_queue_is_declared_and_deleted(console: Console) -> None:
    """The name has to be typed before it is deleted; those of the configuration cannot be."""
    console.open("queues", "Queues")
    console.button("Declare a queue").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Name of the queue").fill("reports")
    dialog.get_by_label("Weight").fill("7")
    dialog.get_by_role("button", name="Save").click()
    row = console.row("reports")
    expect(row).to_contain_text("7")
    expect(console.row("high").get_by_role("button", name="Delete")).to_have_attribute(
        "aria-disabled", "true"
    )
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_label("To go on, type").fill("reports")
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_key_is_created_shown_once_and_revoked(keyed_console: Console) -> None:
    """And the audit tells both."""
    console = keyed_console
    console.open("keys", "taskrunner")
    console.sign_in(str(console.server.key))
    console.button("Create a key").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("deploy")
    dialog.get_by_label("Owner").fill("team-a")
    dialog.get_by_role("button", name="Create a key").click()
    secret = dialog.locator("code")
    expect(secret).to_contain_text("tr_")
    assert console.violations() == {}
    dialog.get_by_role("button", name="Close").last.click()
    row = console.row("deploy")
    expect(row).to_contain_text("team-a")
    row.get_by_role("button", name="Revoke").click()
    dialog.get_by_label("To go on, type").fill("deploy")
    dialog.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    (revocation,) = console.sent("POST", "keys/deploy/revoke")
    assert "if-match" in revocation.headers
    console.button("Audit").click()
    expect(console.row("deploy").filter(has_text="keys.create")).to_be_visible()
    expect(console.row("deploy").filter(has_text="keys.revoke")).to_be_visible()


def test_a_host_gets_a_limit(console: Console) -> None:
    """It is in force at once, and can be removed."""
    console.open("hosts", "Hosts")
    console.button("Set a limit").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Host or pattern").fill("api.limited.example")
    dialog.get_by_label("Starts per second").fill("5/m")
    dialog.get_by_role("button", name="Save").click()
    row = console.row("api.limited.example").last
    expect(row).to_contain_text("the API")
    row.get_by_role("button", name="Edit").click()
    dialog.get_by_label("Burst").fill("3")
    # Meanwhile, another operator.
    console.server.ask("PATCH", "/hosts/api.limited.example/limit", json={"concurrency": 4})
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody has changed this meanwhile")
    dialog.get_by_role("button", name="Reload, and keep my edits").click()
    expect(dialog.get_by_label("Attempts at a time")).to_have_value("4")
    expect(dialog.get_by_label("Burst")).to_have_value("3")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("4 at a time")
    limit = console.server.ask("GET", "/hosts/api.limited.example/limit")
    assert (limit["concurrency"], limit["burst"], limit["rate"]) == (4, 3, pytest.approx(5 / 60))
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(console.row("api.limited.example")).to_have_count(0)


def test_a_task_is_submitted_after_a_dry_run(console: Console) -> None:
    """What is wrong is told before; the new task is shown afterwards."""
    console.open("submit", "Submit a task")
    text = console.page.get_by_label("The task as JSON")
    text.fill('{"url": "ftp://example.com/"}')
    expect(console.page.get_by_role("alert")).to_contain_text("url")
    expect(console.button("Submit")).to_have_attribute("aria-disabled", "true")
    text.fill(f'{{"url": "{console.server.target}/good", "labels": {{"submitted": "here"}}}}')
    expect(console.page.get_by_text("allowed")).to_be_visible()
    console.button("Submit").click()
    console.shows("GET")


def test_an_executor_is_created_tried_and_disabled(console: Console) -> None:
    """The form of the test task is made from the schema of its data."""
    console.open("executors", "Executors")
    console.button("Create an executor").first.click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("The executor as JSON").fill(
        f'{{"name": "greet", "kind": "http", "url": "{console.server.target}/hello/{{who}}", "method": "GET",'
        '"headers": {"Authorization": "Bearer first", "X-Team": "red"}, "timeout": 5,'
        '"max_attempts": 4, "retry": {"base": 1},'
        '"schema": {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}}'
    )
    expect(dialog.get_by_text("4 attempts within")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    row = console.row("greet")
    row.get_by_role("button", name="Edit").click()
    text = dialog.get_by_label("The executor as JSON")
    shown = json.loads(text.input_value())
    assert shown["headers"]["Authorization"] != "Bearer first"
    shown["headers"]["X-Team"] = "blue"
    shown["timeout"] = 7
    text.fill(json.dumps(shown))
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("version 2")
    (saved,) = console.sent("PATCH", "executors/greet")
    assert saved.post_data_json == {"headers": {"X-Team": "blue"}, "timeout": 7}
    assert "if-match" in saved.headers
    row.get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("disabled")
    row.get_by_role("button", name="Enable").click()
    expect(row).to_contain_text("enabled")
    row.get_by_role("button", name="Test").click()
    dialog.get_by_label("who *").fill("ada")
    dialog.get_by_role("button", name="Submit").click()
    console.shows("greet: GET")
