"""A server that goes away and comes back, and a key that is revoked while it is used."""

from pathlib import Path

from playwright.sync_api import BrowserContext, Route, expect
from servers.ports import free_ports

from tests.browser.console import Console, server_in


def test_a_server_goes_away_and_comes_back(context: BrowserContext, tmp_path: Path) -> None:
    """What is known stays on the page, which says so and asks again by itself."""
    (port,) = free_ports(1)
    with server_in(tmp_path, port=port) as server:
        server.ended(server.submit(labels={"away": "yes"}), "succeeded")
        console = Console(page=context.new_page(), server=server)
        console.open("", "Overview")
        console.is_loaded()
    away = console.page.get_by_text("The server does not answer.")
    expect(away).to_be_visible()
    expect(console.page.get_by_role("link", name="medium")).to_be_visible()
    with server_in(tmp_path, port=port):
        expect(away).not_to_be_visible()


def test_a_key_is_revoked_in_the_middle(keyed_console: Console) -> None:
    """The page asks for another one, and shows nothing any more of what the first let see."""
    page, server = keyed_console.page, keyed_console.server
    made = server.ask("POST", "/keys", json={"name": "leaver", "scopes": ["read", "read:all"]})
    server.submit(labels={"secret": "plans"})
    keyed_console.open("tasks", "taskrunner")
    page.get_by_label("API key").fill(made["secret"])
    keyed_console.button("Sign in").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    server.ask("POST", "/keys/leaver/revoke")
    expect(page.get_by_text("The session has ended: sign in again.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(0)


def test_the_overview_shows_what_it_has(console: Console) -> None:
    """A store that is away takes some of its parts; the health stays, and what is missing is told once."""

    def without_store(route: Route) -> None:
        answer = route.fetch()
        lost = dict.fromkeys(("queues", "workers", "points", "hosts", "failures", "counts", "stuck"))
        value = answer.json() | lost | {"missing": dict.fromkeys(lost, "the store is away")}
        value["checks"]["store"] = {"ok": False, "error": "no answer", "since": "2026-01-01T00:00:00Z"}
        route.fulfill(response=answer, json=value)

    console.page.route("**/overview?*", without_store)
    console.open("", "Overview")
    expect(console.page.get_by_text("Missing here: queues, workers")).to_have_count(1)
    # What grows each second is not read out each second.
    expect(console.page.get_by_role("alert")).to_have_text("store no answer")
    expect(console.page.locator(".card").filter(has_text="Dependencies")).to_contain_text("no answer")
    assert console.violations() == {}


def test_an_outage_is_waited_out_as_the_server_says(console: Console) -> None:
    """The page asks again by itself, not before the time that it was told, and never twice at a time."""
    console.page.add_init_script(
        """const real = fetch; let open = 0; window.most = 0; window.asked = [];
        window.fetch = async (path, options) => {
            if (path !== "queues") return real(path, options);
            window.asked.push(Date.now()); open += 1; window.most = Math.max(window.most, open);
            await new Promise(done => setTimeout(done, 9000));
            open -= 1;
            if (window.asked.length > 1) return real(path, options);
            return new Response("{}", { status: 503, headers: { "Retry-After": "20" } });
        };"""
    )
    # The clock of the page, which goes faster.
    console.page.clock.install()
    console.page.goto(f"{console.server.url}/#/queues")
    for count in (1, 2, 3):
        console.becomes(f"window.asked.length >= {count}", wanted=True)
        console.page.clock.run_for(9_000)
        console.becomes("document.querySelector('.state, tbody') !== null", wanted=True)
        console.page.clock.run_for(21_000)
    first, second, third = console.page.evaluate("window.asked.slice(0, 3)")
    assert second - first >= 29_000
    assert third - second >= 11_000
    assert console.page.evaluate("window.most") == 1
    expect(console.row("medium")).to_be_visible()
