"""A taskrunner as operators see one: tasks in every status, in several queues, of several teams."""

from datetime import UTC, datetime, timedelta

from tests.browser.console import Server

_TEAMS = ("billing", "search", "mail")


def seed(server: Server) -> dict[str, str]:
    """Submit the tasks and wait until they are where they belong; answers one id for each status."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for number in range(24):
        labels = {"team": _TEAMS[number % 3], "run": f"nightly-{number // 3}"}
        priority = ("high", "medium", "low")[number % 3]
        last = server.submit(f"/orders/{1000 + number}", labels=labels, priority=priority)
    # More than the least number of workers can do at once.
    slow = [
        {"url": f"{server.target}/exports/{number}?delay=0.4", "labels": {"team": "mail"}}
        for number in range(120)
    ]
    server.ask("POST", "/tasks/batch", json=slow)
    failed = [
        server.submit(
            f"/invoices/{number}?status=503&probability=1", labels={"team": "billing"}, max_attempts=3
        )
        for number in range(3)
    ]
    gone = server.submit("/gone?status=404&probability=1", labels={"team": "search"}, max_attempts=1)
    waiting = [
        server.submit(f"/reports/{number}", labels={"team": "mail"}, run_at=tomorrow) for number in range(4)
    ]
    server.ask("POST", f"/tasks/{waiting[0]}/cancel")
    seed_resources(server)
    for task_id in (*failed, gone):
        server.ended(task_id, "failed")
    server.ended(last, "succeeded")
    return {"succeeded": last, "failed": failed[0], "scheduled": waiting[1], "cancelled": waiting[0]}


def seed_resources(server: Server) -> None:
    """What operators have made: an executor, and limits of hosts."""
    server.ask(
        "POST",
        "/executors",
        json={
            "name": "ship_order",
            "kind": "http",
            "url": "https://shipping.example.com/orders/{order}",
            "method": "POST",
            "headers": {"Authorization": "Bearer secret"},
            "schema": {"type": "object", "properties": {"order": {"type": "integer"}}, "required": ["order"]},
            "concurrency": 4,
        },
    )
    server.ask("PUT", "/hosts/*.example.com/limit", json={"concurrency": 20, "rate": "50/s", "burst": 100})
    server.ask("PUT", f"/hosts/{server.target.rpartition('/')[2]}/limit", json={"concurrency": 40})
