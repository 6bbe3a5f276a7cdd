"""How long each page of the console takes until it shows its first data, on a SQLite file with many tasks.

python tests/browser/first_data.py [TASKS]

The time is from the click on its link to the first figures or rows, with the modules of the
console in the cache, as for everybody who has been here before. The goal is 300 ms on an idle machine.
"""

import asyncio
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts")]

from playwright.sync_api import expect  # noqa: E402 - after the paths

from tests.browser.browser_program import BrowserProgram  # noqa: E402
from tests.browser.console import Console, server_in  # noqa: E402
from tests.browser.past import MONTH, fail, some_task, store_in  # noqa: E402
from tests.browser.test_pages import PAGES  # noqa: E402
from tests.contract.stores.harness import entry, ref  # noqa: E402

GOAL = 0.3
RUNS = 3
_BATCH = 500
# Rows, figures, or what is said in place of them.
_DATA = "tbody tr, .figure dd, .facts dd, .state"


async def fill(folder: Path, count: int) -> None:
    """Tasks of the last days: half of them have failed, half were cancelled, so that nothing runs."""
    chance, now = random.Random(1), datetime.now(UTC)
    async with store_in(folder) as store:
        for first in range(0, count, _BATCH):
            at = now - timedelta(seconds=count - first)
            tasks = [some_task(number, at, chance) for number in range(first, min(first + _BATCH, count))]
            await store.accept([entry(task) for task in tasks])
            await fail(store, tasks[::2], at)
            cancelled = [ref(task.id) for task in tasks[1::2]]
            await store.cancel(cancelled, now=at, error="cancelled", retention=MONTH)


def measure(console: Console) -> dict[str, list[tuple[float, float]]]:
    """Of each page, several times: the seconds until its first data, and until it has everything."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PAGES}
    data = console.page.locator(f"main :is({_DATA})").first
    for _ in range(RUNS + 1):
        for name, heading in PAGES.items():
            link = console.page.locator(f"nav .links a[href='#/{name}']")
            begun = time.perf_counter()
            link.click()
            console.shows(heading)
            expect(data).to_be_visible()
            first = time.perf_counter() - begun
            console.is_loaded()
            found[name].append((first, time.perf_counter() - begun))
    # The first time, the modules are loaded.
    return {name: times[1:] for name, times in found.items()}


def main(count: int) -> None:
    program = BrowserProgram()
    with tempfile.TemporaryDirectory() as data:
        asyncio.run(fill(Path(data), count))
        with server_in(Path(data)) as server:
            page = program.browser().new_page(locale="en-GB", viewport={"width": 1360, "height": 860})
            console = Console(page=page, server=server)
            console.open("", "Overview")
            print(
                f"{count:,} tasks: milliseconds until the first data, and until all of it: the best of {RUNS}"
            )
            for name, times in measure(console).items():
                first, whole = (min(each) * 1000 for each in zip(*times, strict=True))
                print(f"{name:14}{first:6.0f}{whole:6.0f}{'' if first <= GOAL * 1000 else ' MISS'}")
    program.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
