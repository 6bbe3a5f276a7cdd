"""A separate process on a SQL store: `upgrade URL`, or `accept URL` until it is killed."""

import asyncio
import sys

from taskrunner.domain.events import Events
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from tests.contract.stores.harness import entries


async def main(what: str, url: str) -> None:
    store = SqlStore(SqlSettings(url=url), Events())
    await store.upgrade()
    if what == "upgrade":
        return
    await store.start()
    await store.wait_ready(10)
    while True:
        for answer in await store.accept(entries(5)):
            print(answer.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
