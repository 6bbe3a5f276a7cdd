"""A server that goes away and comes back, and a key that is revoked while it is used."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.browser.console import Console, server_in


def test_a_server_goes_away_and_comes_back(context: BrowserContext, tmp_path: Path) -> None:
    """What is known stays on the page, which says so and asks again by itself."""
    with server_in(tmp_path) as server:
        server.ended(server.submit(labels={"away": "yes"}), "succeeded")
        console = Console(page=context.new_page(), server=server)
        console.open("", "Overview")
        console.is_loaded()
    away = console.page.get_by_text("The server does not answer.")
    expect(away).to_be_visible()
    expect(console.page.get_by_role("link", name="medium")).to_be_visible()
    with server_in(tmp_path, port=server.port):
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
