"""The page of tasks."""

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Route, expect

from tests.browser.console import Console

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_tasks_are_filtered_by_what_is_typed(console: Console) -> None:
    """The address has the filter, so that it can be sent to a colleague."""
    server = console.server
    red = server.submit(labels={"filter": "red"})
    server.ended(red, "succeeded")
    server.ended(server.submit(labels={"filter": "blue"}), "succeeded")
    console.open("tasks", "Tasks")
    console.press("/")
    console.page.keyboard.type("label:filter=red\n")
    console.expect_query(label="filter%3Dred")
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.page.reload()
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.press("/")
    console.page.keyboard.type(f"{server.target}/good?x=1\n")
    console.expect_query(host=server.target.removeprefix("http://").replace(":", "%3A"))
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.page.keyboard.type(f"{red}\n")
    console.shows("GET")
    expect(console.page.get_by_text(red).first).to_be_visible()


def test_all_that_match_are_cancelled(console: Console) -> None:
    """After the number has been shown and the words were typed."""
    server = console.server
    waiting = [server.submit(labels={"bulk": "yes"}, run_at=TOMORROW) for _ in range(3)]
    # A question for its progress that fails does not end the watching.
    console.page.route("**/operations/*", lambda route: route.fulfill(status=503), times=1)
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
    expect(dialog).to_have_count(0)
    expect(console.page.locator("tbody .badge.cancelled")).to_have_count(3)
    for task_id in waiting:
        assert server.ask("GET", f"/tasks/{task_id}")["status"] == "cancelled"


def test_what_is_refused_is_told_by_kind(console: Console) -> None:
    """With the tasks that it was, until the operator has read it."""
    task_id = console.server.submit(labels={"refused": "yes"}, run_at=TOMORROW)

    def refuse(route: Route) -> None:
        answer = route.fetch()
        told = {"failed": 1, "done": 0, "reasons": [{"id": task_id, "reason": f"task {task_id} is leased"}]}
        dry_run = answer.json()["dry_run"]
        route.fulfill(response=answer, json=answer.json() | ({} if dry_run else told))

    console.page.route(re.compile(r"/operations(/|$)"), refuse)
    console.open("tasks?label=refused%3Dyes", "Tasks")
    expect(console.page.locator("tbody tr")).to_have_count(1)
    console.press("j", "x")
    console.button("Cancel").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("To go on, type").fill("cancel 1")
    dialog.get_by_role("button", name="Cancel 1 task").click()
    expect(dialog.locator("li")).to_contain_text("task … is leased")
    expect(dialog.get_by_role("link", name=task_id)).to_be_visible()
    expect(dialog.get_by_text("Completed")).to_be_visible()


def test_new_tasks_do_not_move_what_is_read(console: Console) -> None:
    """They are counted above the list until they are asked for."""
    server = console.server
    first = server.submit(labels={"stream": "yes"}, run_at=TOMORROW)
    console.open("tasks?label=stream%3Dyes", "Tasks")
    expect(console.page.get_by_text("Live updates")).to_be_visible()
    server.submit(labels={"stream": "yes"}, run_at=TOMORROW)
    show = console.button("Show 1 new task")
    expect(show).to_be_visible()
    # In another list, none of them is new.
    console.page.get_by_role("button", name="failed").click()
    expect(console.page.get_by_text("No task matches")).to_be_visible()
    expect(console.page.get_by_role("button", name="new task")).to_have_count(0)
    console.page.get_by_role("button", name="all").click()
    expect(console.page.locator("tbody tr")).to_have_count(2)
    server.submit(labels={"stream": "yes"}, run_at=TOMORROW)
    expect(show).to_be_visible()
    expect(console.page.locator("tbody tr")).to_have_count(2)
    server.ask("POST", f"/tasks/{first}/cancel")
    expect(console.page.locator("tbody tr").last).to_contain_text("cancelled")
    show.click()
    expect(console.page.locator("tbody tr")).to_have_count(3)


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
    """What has happened meanwhile is there when it goes on, without a reload."""
    console.server.submit(labels={"pause": "yes"}, run_at=TOMORROW)
    place = "tasks?label=pause%3Dyes"
    console.open(place, "Tasks")
    expect(console.page.get_by_text("Live updates")).to_be_visible()
    other = Console(page=console.page.context.new_page(), server=console.server)
    other.open(place, "Tasks")
    expect(other.page.get_by_text("Live updates")).to_be_visible()
    console.button("Live").click()
    expect(console.page.get_by_text("Live updates")).to_have_count(0)
    console.server.submit(labels={"pause": "yes"}, run_at=TOMORROW)
    # The page that is not paused has it, so the other one would have it, too.
    expect(other.button("Show 1 new task")).to_be_visible()
    expect(console.button("Show 1 new task")).to_have_count(0)
    console.button("Paused").click()
    console.button("Show 1 new task").click()
    expect(console.page.locator("tbody tr")).to_have_count(2)


def test_a_refused_stream_is_told_and_tried_again(console: Console) -> None:
    """Changes are asked for meanwhile."""
    task_id = console.server.submit(labels={"refusal": "yes"}, run_at=TOMORROW)

    def refuse(route: Route) -> None:
        if console.server.ask("GET", f"/tasks/{task_id}")["status"] == "scheduled":
            console.server.ask("POST", f"/tasks/{task_id}/cancel")
        route.fulfill(status=429, json={"detail": "too many streams"}, headers={"Retry-After": "1"})

    console.page.route("**/events?*", refuse)
    console.open("tasks?label=refusal%3Dyes", "Tasks")
    told = console.page.get_by_text("No live updates (HTTP 429)")
    expect(told).to_have_attribute("title", "too many streams")
    expect(console.page.locator("tbody .badge")).to_have_text("cancelled")
    console.page.unroute("**/events?*")
    expect(console.page.get_by_text("Live updates")).to_be_visible()
