"""Pictures of every page of the console, in light, dark and on a phone.

python tests/browser/screenshots.py FOLDER [--png] [PAGE...]
"""

import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts")]

from playwright.sync_api import Browser  # noqa: E402 - after the paths

from tests.browser.browser_program import BrowserProgram  # noqa: E402
from tests.browser.console import Console, Server, server_in  # noqa: E402
from tests.browser.past import add_dead_letters, add_schedule, store_in  # noqa: E402
from tests.browser.seeds import seed  # noqa: E402
from tests.browser.test_pages import PAGES  # noqa: E402

WIDE, PHONE = {"width": 1360, "height": 860}, {"width": 390, "height": 844}
SHOTS = (("light", "light", WIDE), ("dark", "dark", WIDE), ("phone", "light", PHONE))
# JPEG of this quality is a third of the PNG, and text in it stays sharp.
_QUALITY = 80


def take(browser: Browser, server: Server, folder: Path, places: Mapping[str, str], *, png: bool) -> None:
    """One picture for each look of each place, by its name."""
    for look, theme, size in SHOTS:
        context = browser.new_context(locale="en-GB", viewport=size, color_scheme=theme)  # type: ignore[arg-type]  # literals
        console = Console(page=context.new_page(), server=server)
        for name, place in places.items():
            console.open(place, PAGES.get(name))
            console.is_loaded()
            path = folder / f"console-{name}-{look}.{'png' if png else 'jpg'}"
            # Playwright takes the type from the name.
            console.page.screenshot(path=path, quality=None if png else _QUALITY)
            print(path, path.stat().st_size)
        context.close()


def main(folder: Path, wanted: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    program = BrowserProgram()
    with tempfile.TemporaryDirectory() as data:
        asyncio.run(_remember(Path(data)))
        with server_in(Path(data)) as server:
            _picture(program, server, folder, wanted)
    program.close()


async def _remember(data: Path) -> None:
    async with store_in(data) as store:
        await add_dead_letters(store, 160)
        await add_schedule(store, "invoices", "0 * * * *", "Europe/Berlin")
        await add_schedule(store, "cleanup", "*/30 * * * *", "UTC")


def _picture(program: BrowserProgram, server: Server, folder: Path, wanted: Sequence[str]) -> None:
    seeded = seed(server)
    places = {**{name: name for name in PAGES}, "task": f"tasks/{seeded['failed']}"}
    names = [name for name in wanted if name != "--png"] or list(places)
    take(program.browser(), server, folder, {name: places[name] for name in names}, png="--png" in wanted)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
