"""Debian's Chromium, as Playwright starts it; its own browsers are never fetched."""

from playwright.sync_api import Browser, Playwright
from servers.programs import program

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(
        executable_path=program("chromium", "chromium"), args=list(ARGUMENTS), chromium_sandbox=False
    )
