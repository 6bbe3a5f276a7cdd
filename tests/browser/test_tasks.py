"""The page of tasks."""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.browser.console import Console

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_tasks_are_filtered_by_what_is_typed(console: Console) -> None:
    """The address has the filter, so that it can be sent to a colleague."""
    server = console.server
    server.ended(server.submit(labels={"filter": "red"}), "succeeded")
    server.ended(server.submit(labels={"filter": "blue"}), "succeeded")
    console.open("tasks", "Tasks")
    console.press("/")
    console.page.keyboard.type("label:filter=red\n")
    console.expect_query(label="filter%3Dred")
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.page.reload()
    expect(console.page.locator("tbody tr")).to_have_count(1)


def test_all_that_match_are_cancelled(console: Console) -> None:
    """After the number has been shown and the words were typed."""
    server = console.server
    waiting = [server.submit(labels={"bulk": "yes"}, run_at=TOMORROW) for _ in range(3)]
    console.open("tasks?label=bulk%3Dyes", "Tasks")
    expect(console.page.locator("tbody tr")).to_have_count(3)
    console.press("j", "x")
    expect(console.page.get_by_text("1 selected")).to_be_visible()
    console.button("Select all that match").click()
    console.button("Cancel").click()
    dialog = console.page.get_by_role("dialog")
    act = dialog.get_by_role("button", name="Cancel 3 tasks")
    expect(act).to_be_disabled()
    dialog.get_by_label("To go on, type").fill("cancel 3")
    act.click()
    expect(console.page.get_by_text("3 tasks cancelled")).to_be_visible()
    for task_id in waiting:
        assert server.ask("GET", f"/tasks/{task_id}")["status"] == "cancelled"


def test_new_tasks_do_not_move_what_is_read(console: Console) -> None:
    """They are counted above the list until they are asked for."""
    server = console.server
    first = server.submit(labels={"stream": "yes"}, run_at=TOMORROW)
    console.open("tasks?label=stream%3Dyes", "Tasks")
    expect(console.page.get_by_text("Events arrive")).to_be_visible()
    server.submit(labels={"stream": "yes"}, run_at=TOMORROW)
    show = console.button("Show 1 new task")
    expect(show).to_be_visible()
    expect(console.page.locator("tbody tr")).to_have_count(1)
    server.ask("POST", f"/tasks/{first}/cancel")
    expect(console.page.locator("tbody tr").first).to_contain_text("cancelled")
    show.click()
    expect(console.page.locator("tbody tr")).to_have_count(2)


def test_the_keyboard_goes_through_the_list(console: Console) -> None:
    """`j` and `k` move, `Enter` opens; on a button, `Enter` presses it."""
    ids = [console.server.submit(labels={"keys": "yes"}, run_at=TOMORROW) for _ in range(2)]
    console.open("tasks?label=keys%3Dyes", "Tasks")
    expect(console.page.locator("tbody tr")).to_have_count(2)
    console.press("j", "j")
    expect(console.page.locator("tr.at").get_by_role("link")).to_have_attribute("href", f"#/tasks/{ids[0]}")
    console.press("k")
    console.button("Columns").focus()
    console.press("Enter")
    expect(console.page.get_by_role("dialog", name="Columns")).to_be_visible()
    console.press("Escape")
    console.page.locator("main").focus()
    console.press("Enter")
    expect(console.page.get_by_text(ids[1]).first).to_be_visible()
    console.page.go_back()
    expect(console.page.locator("tbody tr")).to_have_count(2)


def test_views_and_columns_are_kept(console: Console) -> None:
    """By this browser."""
    console.server.submit(labels={"views": "yes"}, run_at=TOMORROW)
    console.open("tasks?label=views%3Dyes&status=scheduled", "Tasks")
    console.button("Columns").click()
    console.page.get_by_label("Labels").check()
    console.press("Escape")
    console.button("Views").click()
    console.page.get_by_label("Name", exact=True).fill("mine")
    console.button("Save this view").click()
    assert console.violations() == {}
    console.open("tasks?status=scheduled", "Tasks")
    console.page.reload()
    expect(console.page.get_by_role("columnheader", name="Labels")).to_be_visible()
    console.button("Views").click()
    console.button("mine").click()
    console.expect_query(label="views%3Dyes", status="scheduled")
    expect(console.page.locator("tbody .label")).to_have_text("views=yes")


def test_a_paused_page_stays_as_it_is(console: Console) -> None:
    """Until it goes on."""
    console.server.submit(labels={"pause": "yes"}, run_at=TOMORROW)
    console.open("tasks?label=pause%3Dyes", "Tasks")
    expect(console.page.get_by_text("Events arrive")).to_be_visible()
    console.button("Live").click()
    expect(console.page.get_by_text("Events arrive")).not_to_be_visible()
    console.server.submit(labels={"pause": "yes"}, run_at=TOMORROW)
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.button("Paused").click()
    expect(console.page.get_by_text("Events arrive")).to_be_visible()
    console.page.reload()
    expect(console.page.locator("tbody tr")).to_have_count(2)
