"""The frame around the pages: keyboard, languages, themes, login, and a server that goes away."""

from playwright.sync_api import expect

from tests.browser.console import Console


def test_the_keyboard_reaches_every_page(console: Console) -> None:
    """`g t` goes to tasks, `?` shows the keys, and the palette finds pages by their names."""
    console.open("", "Overview")
    console.press("g", "t")
    console.shows("Tasks")
    console.press("?")
    expect(console.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    console.press("Escape")
    console.press("Control+k")
    expect(console.page.get_by_role("dialog").get_by_role("combobox")).to_be_focused()
    console.page.keyboard.type("over\n")
    console.shows("Overview")
    # A Russian layout: other characters on the same keys.
    console.page.evaluate(
        """() => {
            for (const [key, code] of [["п", "KeyG"], ["е", "KeyT"]]) {
                document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
            }
        }"""
    )
    console.shows("Tasks")
    # Two characters in the place of the slash, the first of them on a German layout.
    press = """key => {
        document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code: "Slash", bubbles: true }));
        return document.activeElement.matches("[data-search]");
    }"""
    assert [console.page.evaluate(press, key) for key in ("-", ".")] == [False, True]


def test_a_key_lets_in(keyed_console: Console) -> None:
    """It is changed into a session, whose scopes the page knows."""
    page, server = keyed_console.page, keyed_console.server
    keyed_console.open("tasks", "taskrunner")
    keyed_console.sign_in("tr_wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    keyed_console.sign_in(str(server.key))
    keyed_console.shows("Tasks")
    expect(page.get_by_text("Key: boss")).to_be_visible()
    keyed_console.button("Sign out").click()
    expect(page.get_by_text("You have signed out.")).to_be_visible()


def test_a_key_without_a_scope_sees_why(keyed_console: Console) -> None:
    """The button is there, disabled, and says which scope it needs."""
    server = keyed_console.server
    made = server.ask("POST", "/keys", json={"name": "reader", "scopes": ["read", "read:all"]})
    server.submit(labels={"scope": "yes"})
    keyed_console.open("tasks", "taskrunner")
    keyed_console.sign_in(made["secret"])
    keyed_console.shows("Tasks")
    for name in ("Cancel", "Requeue", "Delete"):
        button = keyed_console.button(name)
        expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_have_attribute("title", "The key lacks the scope operate")


def test_language_and_theme_are_kept(console: Console) -> None:
    """Over a reload."""
    console.open("", "Overview")
    console.button("Русский").click()
    console.shows("Обзор")
    console.button("Тема: как в системе").click()
    console.page.reload()
    console.shows("Обзор")
    expect(console.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_charts_change_with_the_theme_of_the_system(console: Console) -> None:
    """At once, also while the page is paused and nothing new is drawn."""
    console.open("", "Overview")
    console.button("Live").click()
    expect(console.page.locator("canvas").first).to_be_visible()
    console.page.evaluate("window.before = document.querySelector('canvas').toDataURL()")
    console.choose_theme("dark")
    console.becomes("document.querySelector('canvas').toDataURL() !== window.before", wanted=True)
