"""Debian's Chromium, as Playwright starts it; its own browsers are never fetched."""

import subprocess

from playwright.sync_api import Browser, Playwright, sync_playwright
from servers.programs import install, program

from tests.browser.console import AXE, REPOSITORY

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


class BrowserProgram:
    """Started when it is first asked for.

    Law: it is closed before a test of another folder begins. Playwright keeps an event loop in this thread,
    beside which no other can run.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def browser(self) -> Browser:
        if self._browser is None:
            install(["chromium"])
            if not AXE.exists():
                subprocess.run([REPOSITORY / "scripts" / "npm.sh"], check=True)
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=program("chromium", "chromium"), args=list(ARGUMENTS), chromium_sandbox=False
            )
        return self._browser

    def close(self) -> None:
        if self._browser is not None and self._playwright is not None:
            self._browser.close()
            self._playwright.stop()
        self._browser = self._playwright = None
