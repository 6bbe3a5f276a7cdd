"""The page of settings: what is in force, what was changed, and where."""

from playwright.sync_api import Locator, expect

from tests.browser.console import Console


def setting(console: Console, name: str) -> Locator:
    """The row of a setting, by its full name."""
    return console.page.get_by_role("row", name=f"Copy {name}", exact=False)


def test_settings_are_found_by_words_and_by_being_changed(console: Console) -> None:
    """The state is in the address, the API key is masked, and the source of a value stands beside it."""
    console.open("settings", "Settings")
    every = console.page.locator("tbody tr")
    expect(setting(console, "Workers.max_workers")).to_contain_text("50")
    console.button("Only changed").click()
    console.expect_query(only="changed")
    expect(setting(console, "Workers.max_workers")).to_have_count(0)
    allowed = setting(console, "Fetch.allow_loopback")
    expect(allowed).to_contain_text("true")
    expect(allowed).to_contain_text("by default false")
    console.press("/")
    console.page.keyboard.type("store url")
    # The heading of the section, and the setting.
    expect(every).to_have_count(2)
    expect(setting(console, "Store.url")).to_contain_text("the command")
    console.expect_query(find="store+url")
    console.page.keyboard.type(" nowhere")
    expect(console.page.get_by_text("No setting matches")).to_be_visible()


def test_settings_need_an_administrator(keyed_console: Console) -> None:
    """Other keys are told which scope they lack, and secrets are masked for all."""
    console = keyed_console
    made = console.server.ask("POST", "/keys", json={"name": "viewer", "scopes": ["read", "read:all"]})
    console.open("settings", "taskrunner")
    console.sign_in(made["secret"])
    expect(console.page.get_by_role("alert")).to_contain_text("The key may not see this")
    console.button("Sign out").click()
    console.sign_in(str(console.server.key))
    expect(setting(console, "Api.keys")).to_contain_text("***")
    assert str(console.server.key) not in console.page.content()
