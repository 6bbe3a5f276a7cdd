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

from tests.browser.browser_program import BrowserProgram  # noqa: E402 - after the paths
from tests.browser.console import Console, server_in  # noqa: E402
from tests.browser.past import MONTH, fail, some_task, store_in  # noqa: E402
from tests.browser.test_pages import PAGES  # noqa: E402
from tests.contract.stores.harness import entry, ref  # noqa: E402

GOAL = 0.3
RUNS = 3
_BATCH = 500


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


def measure(console: Console) -> dict[str, list[float]]:
    """The seconds of each page, several times."""
    found: dict[str, list[float]] = {name: [] for name in PAGES}
    for _ in range(RUNS + 1):
        for name, heading in PAGES.items():
            link = console.page.locator(f"nav .links a[href='#/{name}']")
            begun = time.perf_counter()
            link.click()
            console.shows(heading)
            console.is_loaded()
            found[name].append(time.perf_counter() - begun)
    # The first time the modules are loaded.
    return {name: times[1:] for name, times in found.items()}


def main(count: int) -> None:
    program = BrowserProgram()
    with tempfile.TemporaryDirectory() as data:
        asyncio.run(fill(Path(data), count))
        with server_in(Path(data)) as server:
            page = program.browser().new_page(locale="en-GB", viewport={"width": 1360, "height": 860})
            console = Console(page=page, server=server)
            console.open("", "Overview")
            print(f"{count:,} tasks: milliseconds until the first data, the best and the worst of {RUNS}")
            for name, times in measure(console).items():
                miss = "" if min(times) <= GOAL else "MISS"
                rows = f"{min(times) * 1000:6.0f} {max(times) * 1000:6.0f}"
                print(f"{name:14}{rows} {miss}")
    program.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
