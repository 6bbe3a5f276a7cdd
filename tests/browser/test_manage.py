"""The pages of queues, keys and the audit: what operators change there is in force."""

from playwright.sync_api import expect

from tests.browser.console import Console


def test_a_queue_is_paused_and_goes_on(console: Console) -> None:
    """With one click each, and the state is seen."""
    server = console.server
    console.open("queues", "Queues")
    row = console.row("low")
    row.get_by_role("button", name="Pause", exact=True).click()
    expect(row).to_contain_text("paused")
    assert [each["scope"] for each in server.ask("GET", "/pauses")["pauses"]] == ["queue:low"]
    row.get_by_role("button", name="Resume", exact=True).click()
    expect(row).to_contain_text("runs")
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
    console.button("Audit").click()
    expect(console.row("keys.create")).to_contain_text("deploy")
    expect(console.row("keys.revoke")).to_contain_text("deploy")
