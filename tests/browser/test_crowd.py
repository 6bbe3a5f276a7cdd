"""Many tasks and dead letters: no page asks for all of them, or draws more than a screen can use."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.console import Console, Server
from tests.tools.waiting import wait_for

TASKS = 600
# Elements of a page with its lists full, the navigation included. 600 rows of tasks alone are 6,000.
MOST_ELEMENTS = 2500
MOST_BYTES = 200_000
LABEL = "crowd=yes"


@pytest.fixture(scope="module")
def crowd(server: Server) -> None:
    """Tasks that wait for tomorrow, and dead letters."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    labels = {"crowd": "yes"}
    waiting = [
        {"url": f"{server.target}/{number}", "run_at": tomorrow, "labels": labels} for number in range(TASKS)
    ]
    failing = [
        {
            "url": f"{server.target}/bad?status=404&probability=1&n={number}",
            "max_attempts": 1,
            "labels": {"crowd": "dead"},
        }
        for number in range(120)
    ]
    server.ask("POST", "/tasks/batch", json=waiting)
    server.ask("POST", "/tasks/batch", json=failing)
    dead = "/dead-letters?label=crowd%3Ddead&limit=200"
    wait_for(lambda: len(server.ask("GET", dead)["dead_letters"]) == len(failing), "all have failed")


def spent(console: Console) -> tuple[int, int]:
    """The bytes of the answers of the API, and the elements of the page. A stream of events never ends."""
    others = ("/console/", "/#", "/events")
    answers = [each.response() for each in console.requests if not any(part in each.url for part in others)]
    sizes = [len(answer.body()) for answer in answers if answer is not None and answer.ok]
    return sum(sizes), console.page.locator("*").count()


@pytest.mark.usefixtures("crowd")
@pytest.mark.parametrize(
    ("place", "heading"),
    [
        (f"tasks?label={LABEL.replace('=', '%3D')}", "Tasks"),
        ("dead-letters?label=crowd%3Ddead", "Dead letters"),
        ("overview", "Overview"),
    ],
)
def test_a_page_of_many_is_as_small_as_one_of_few(console: Console, place: str, heading: str) -> None:
    """The rows of one page, whatever matches; a click brings further ones."""
    console.open(place, heading)
    console.is_loaded()
    size, elements = spent(console)
    assert elements < MOST_ELEMENTS
    assert size < MOST_BYTES


@pytest.mark.usefixtures("crowd")
def test_scrolling_through_many_keeps_what_is_read(console: Console) -> None:
    """More rows come after those that are shown; none is drawn anew."""
    console.open(f"tasks?label={LABEL.replace('=', '%3D')}", "Tasks")
    rows = console.page.locator("tbody tr")
    expect(rows).to_have_count(50)
    first = rows.first.element_handle()
    console.button("More").click()
    expect(rows).to_have_count(100)
    assert first is not None
    assert first.evaluate("row => row.isConnected && row === document.querySelector('tbody tr')")


@pytest.mark.usefixtures("crowd")
def test_dead_letters_are_turned_page_by_page(console: Console) -> None:
    """Older ones take the place of newer ones, and the address holds the place."""
    console.open("dead-letters?label=crowd%3Ddead", "Dead letters")
    rows = console.page.get_by_role("region", name="Dead letters").locator("tbody tr")
    expect(rows).to_have_count(50)
    console.button("Older").click()
    console.button("Older").click()
    expect(rows).to_have_count(20)
    console.button("Newest").click()
    expect(rows).to_have_count(50)
