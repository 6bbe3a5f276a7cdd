"""What the parts of the store on Redis share: a method is one script over a batch, large batches in parts."""

import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from taskrunner.stores.batches import cut
from taskrunner.stores.redis.fields import Argument
from taskrunner.stores.redis.redis_connection import RedisStoreConnection
from taskrunner.stores.redis.scripts import Scripts

Item = TypeVar("Item")

# A script blocks the whole server: 500 items take about 5 ms.
BATCH_ITEMS = 500
# What one command may carry, and one answer bring, unless a single item is larger.
BATCH_BYTES = 8 * 1024 * 1024
# How many entries of records that are gone one call looks at beyond its page.
LIST_SLACK = 200


class RedisPart:
    """Runs scripts on `connection`; all keys begin with `prefix`."""

    def __init__(self, connection: RedisStoreConnection, scripts: Scripts, prefix: str) -> None:
        self._connection = connection
        self._scripts = scripts
        self._prefix = prefix
        self._token_prefix = secrets.token_hex(4)
        self._token_numbers = itertools.count()

    async def run(self, name: str, *args: Argument) -> Any:
        """The answer of the script `lua/NAME.lua`."""
        script = self._scripts[name]
        try:
            return await self._connection.call("EVALSHA", script.sha, 1, self._prefix, *args)
        except NoScriptError:
            # The server restarted, or somebody flushed its scripts: this also loads the script again.
            return await self._connection.call("EVAL", script.source, 1, self._prefix, *args)

    async def run_batch(
        self,
        name: str,
        items: Sequence[Item],
        arguments: Callable[[Sequence[Item]], Iterable[Argument]],
        size: Callable[[Item], int] = lambda item: 0,
    ) -> list[Any]:
        """The answers of a script for `items`; `arguments` makes its arguments for a part of them."""
        answers: list[Any] = []
        for part in parts(items, size):
            answers += await self.run(name, *arguments(part))
        return answers

    def token(self) -> str:
        """A name for one batch: a script that is sent again under it, its answer lost, answers the same."""
        return f"{self._token_prefix}{next(self._token_numbers):x}"


def parts(items: Sequence[Item], size: Callable[[Item], int] = lambda _: 0) -> Iterator[Sequence[Item]]:
    """`items` in parts of at most `BATCH_ITEMS`, and of about `BATCH_BYTES` by `size`."""
    return cut(items, size, item_limit=BATCH_ITEMS, byte_limit=BATCH_BYTES)
