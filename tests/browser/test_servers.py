"""The console of a deployment on RabbitMQ and Redis: what operators do every day is the same there."""

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.console import Console, Server, server_in
from tests.tools.waiting import wait_for


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, rabbitmq_url: str, redis_url: str) -> Iterator[Server]:
    """With queues and keys of its own on both servers."""
    name = f"console-{secrets.token_hex(4)}"
    settings = {
        "Rabbit.addr": rabbitmq_url,
        "Rabbit.exchange": name,
        "Store.url": redis_url,
        "Redis.prefix": f"{{{name}}}:",
    }
    with server_in(tmp_path_factory.mktemp("deployed"), settings=settings) as server:
        yield server


@pytest.fixture
def deployed_console(context: BrowserContext, deployed: Server) -> Iterator[Console]:
    console = Console(page=context.new_page(), server=deployed)
    yield console
    assert console.problems == []


def test_a_failed_task_is_found_and_requeued(deployed_console: Console) -> None:
    """From the overview to the dead letters and the task: each page has its data from the servers."""
    console, server = deployed_console, deployed_console.server
    task_id = server.submit("/bad?status=404&probability=1", max_attempts=1, labels={"on": "servers"})
    server.ended(task_id, "failed")
    console.open("", "Overview")
    expect(console.page.get_by_text("redis", exact=False).first).to_be_visible()
    console.page.get_by_role("link", name="Dead letters").click()
    groups = console.page.get_by_role("region", name="By executor, host and reason")
    expect(groups.locator("tbody tr")).to_contain_text("HTTP error")
    groups.get_by_role("button", name="Requeue…").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Requeue 1").click()
    expect(dialog.get_by_text("1 done")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    wait_for(lambda: len(server.ask("GET", f"/tasks/{task_id}")["attempts"]) == 2, "it ran again")
    console.open(f"tasks/{task_id}", "GET")
    expect(console.page.get_by_text("Attempt 2").first).to_be_visible()


def test_new_tasks_arrive_and_queues_are_declared(deployed_console: Console) -> None:
    """Events come from the log of changes of Redis, queues are those of RabbitMQ."""
    console, server = deployed_console, deployed_console.server
    console.open("tasks?label=live%3Dyes", "Tasks")
    console.is_loaded()
    server.submit(labels={"live": "yes"})
    expect(
        console.page.locator("tbody tr").or_(console.page.get_by_role("button", name="Show 1 new task"))
    ).to_be_visible()
    console.open("queues", "Queues")
    console.button("Declare a queue").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Name of the queue").fill("reports")
    dialog.get_by_role("button", name="Save").click()
    expect(console.row("reports")).to_be_visible()
    server.ended(server.submit(queue="reports"), "succeeded")


def test_settings_and_schedules_are_those_of_the_deployment(deployed_console: Console) -> None:
    """The addresses are shown without their passwords; a schedule lives in Redis."""
    console, server = deployed_console, deployed_console.server
    console.open("settings?find=rabbit.addr", "Settings")
    expect(console.page.locator("td.value")).to_contain_text("amqp://***@")
    server.ask(
        "PUT", "/schedules/often", json={"cron": "* * * * *", "task": {"url": f"{server.target}/good"}}
    )
    console.open("schedules", "Schedules")
    row = console.row("often")
    row.get_by_role("button", name="Edit").click()
    dialog = console.page.get_by_role("dialog")
    dialog.get_by_label("Cron expression").fill("30 3 * * *")
    expect(dialog.locator(".times tbody tr").first).to_contain_text("03:30")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("30 3 * * *")
